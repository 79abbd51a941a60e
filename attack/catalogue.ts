/** Every case, in the order of docs/security.md. */
import { appAttacks } from './apps.ts';
import type { Attack } from './attack.ts';
import { controlAttacks } from './control.ts';
import { keyAttacks } from './keys.ts';
import { linkAttacks } from './links.ts';

export const attacks: readonly Attack[] = [...appAttacks, ...linkAttacks, ...keyAttacks, ...controlAttacks];
