/** Every case. Those that take a carrying site's sidecar away stand after the ones that need it on the way. */
import { appAttacks } from './apps.ts';
import type { Attack } from './attack.ts';
import { canaryAttacks } from './canaries.ts';
import { carrierAttacks } from './carriers.ts';
import { consoleAttacks } from './console.ts';
import { controlAttacks } from './control.ts';
import { credentialAttacks } from './credentials.ts';
import { keyAttacks } from './keys.ts';
import { linkAttacks } from './links.ts';

export const attacks: readonly Attack[] = [
  ...appAttacks,
  ...credentialAttacks,
  ...linkAttacks,
  ...carrierAttacks,
  ...keyAttacks,
  ...canaryAttacks,
  ...controlAttacks,
  ...consoleAttacks,
];
