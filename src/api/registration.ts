/** What a terminal signs with its own key when it registers: nobody can register keys he does not hold. */
import { isSignedBy } from './control-keys.ts';

export interface RegistrationKeys {
  terminalId: string;
  /** Ed25519 public, base64url */
  signKey: string;
  /** X25519 public, base64url */
  wrapKey: string;
  /** U… */
  linkUser: string;
}

const context = 'mbus terminal registration v1';

/** The `proof` of terminal.register. `sign` is TerminalKeys.sign of the key in `signKey`. */
export function signRegistration(
  keys: RegistrationKeys,
  sign: (context: string, bytes: Uint8Array) => Uint8Array,
): string {
  return Buffer.from(sign(context, claimBytes(keys))).toString('base64url');
}

/** `provenBy`: another key than the one in `signKey`, for a terminal that replaces its own. */
export function isRegistrationProven(keys: RegistrationKeys & { provenBy?: string }, proof: string): boolean {
  return isSignedBy(keys.provenBy ?? keys.signKey, context, claimBytes(keys), Buffer.from(proof, 'base64url'));
}

function claimBytes({ terminalId, signKey, wrapKey, linkUser }: RegistrationKeys): Buffer {
  return Buffer.from(JSON.stringify([terminalId, signKey, wrapKey, linkUser]));
}
