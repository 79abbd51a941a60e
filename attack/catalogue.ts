/** Every case. Those that take a carrying site's sidecar away stand after the ones that need it on the way. */
import { appAttacks } from './apps.ts';
import type { Attack } from './attack.ts';
import { canaryAttacks } from './canaries.ts';
import { carrierAttacks } from './carriers.ts';
import { consoleAttacks } from './console.ts';
import { controlAttacks } from './control.ts';
import { credentialAttacks } from './credentials.ts';
import { enrolmentAttacks } from './enrolment.ts';
import { floodAttacks } from './floods.ts';
import { keyAttacks } from './keys.ts';
import { linkAttacks } from './links.ts';
import { nameAttacks } from './names.ts';
import { reticketAttacks } from './retickets.ts';

export const attacks: readonly Attack[] = [
  ...appAttacks,
  ...nameAttacks,
  ...credentialAttacks,
  ...linkAttacks,
  ...enrolmentAttacks,
  ...carrierAttacks,
  ...keyAttacks,
  ...reticketAttacks,
  ...floodAttacks,
  ...canaryAttacks,
  ...controlAttacks,
  ...consoleAttacks,
];
