/**
 * The public parts of a terminal's securekey at the control plane: given when it has none, and replaced when an operator asks.
 * A new securekey is on disk before it is registered and takes the old one's place after that, so a crash between any two
 * lines goes on with whichever of the two the control plane knows.
 */
import { signRegistration } from '../api/index.ts';
import type { ControlClient } from '../api/methods.ts';
import type { SnapshotCustomer } from '../api/snapshot.ts';
import { deriveTerminalKeys, type TerminalKeys } from '../keys/index.ts';
import type { Logger } from '../log.ts';
import type { SiteDir } from '../site/index.ts';

export interface RegistrationContext {
  dir: SiteDir;
  control: Pick<ControlClient, 'call'>;
  log: Logger;
}

/** True when the terminal has other keys from now on and must start anew with them. E_CONTROL_AWAY E_TERMINAL_REGISTERED */
export async function keepRegistered(context: RegistrationContext, customer: SnapshotCustomer): Promise<boolean> {
  const { dir, log } = context;
  const self = customer.terminals.find((terminal) => terminal.id === customer.terminalId);
  if (self === undefined || self.isRevoked) return false;
  if (self.signKey === null) {
    await register(context, self.id, deriveTerminalKeys(await dir.securekey(self.id)));
    log.info({ event: 'terminal.registered', customer: customer.name }, 'terminal registered');
    return false;
  }
  const isReplacing = self.isRekeyWanted || (await dir.hasNextSecurekey(self.id));
  if (!isReplacing) return false;
  const next = deriveTerminalKeys(await dir.nextSecurekey(self.id));
  if (self.signKey !== next.signKey) {
    // a key that was begun is given up when nobody wants it any more
    if (!self.isRekeyWanted) return false;
    await register(context, self.id, next, deriveTerminalKeys(await dir.securekey(self.id)));
  }
  await dir.adoptSecurekey(self.id);
  log.info({ event: 'terminal.rekeyed', customer: customer.name }, 'the terminal has a new securekey');
  return true;
}

async function register(
  { dir, control }: RegistrationContext,
  terminalId: string,
  keys: TerminalKeys,
  old?: TerminalKeys,
): Promise<void> {
  const linkUser = (await dir.linkUser(terminalId)).getPublicKey();
  const registration = { terminalId, signKey: keys.signKey, wrapKey: keys.wrapKey, linkUser };
  await control.call('terminal.register', {
    ...registration,
    proof: signRegistration(registration, keys.sign),
    ...(old && { oldProof: signRegistration(registration, old.sign) }),
  });
}
