/**
 * Registers one terminal of a joined site with a one-time token: needed when the control plane knows it by other keys,
 * for instance after the site's directory was restored. The first registration is the sidecar's and needs no token.
 * Goes by the site's own nats-server, which may run with or without its sidecar.
 */
import { createControlClient, parseToken, readSnapshot, signRegistration } from './api/index.ts';
import type { ControlClient } from './api/methods.ts';
import { BusError } from './errors.ts';
import { deriveTerminalKeys } from './keys/index.ts';
import { silentLogger } from './log.ts';
import { openSiteDir, type SiteDir, SiteServer } from './site/index.ts';

export interface RegistrationOptions {
  /** directory of the joined site */
  dir: string;
  customer: string;
  token: string;
}

/** The bus's version with the new keys. E_SITE_DIR, E_SERVER_AWAY, E_CONTROL_AWAY, E_UNKNOWN_NOUN, E_TOKEN_*. */
export async function registerTerminal({ dir: path, customer, token }: RegistrationOptions): Promise<number> {
  const { secret } = parseToken(token);
  const dir = await openSiteDir(path);
  const site = new SiteServer({ dir, log: silentLogger, isExternal: true });
  try {
    const control = await connectControl(dir, site);
    const keys = await publicKeys(dir, await terminalId(control, dir, customer));
    const { version } = await control.call('terminal.register', { ...keys, token: secret });
    await control.close();
    return version;
  } finally {
    await site.close();
  }
}

async function connectControl(dir: SiteDir, site: SiteServer): Promise<ControlClient> {
  const { busId, siteId, control } = dir.file;
  const nc = await site.connect('CTL', { name: 'registration', timeoutMs: 5_000 });
  return createControlClient({ nc, busId, callerId: siteId, caller: await dir.requestKey(), control });
}

async function terminalId(control: ControlClient, dir: SiteDir, customer: string): Promise<string> {
  const { snapshot: text, signature } = await control.call('snapshot.get', { have: -1 });
  const { customers } = readSnapshot({ text: text ?? '', signature: signature ?? '' }, dir.file.control.signKey);
  const found = customers.find(({ name }) => name === customer);
  if (found) return found.terminalId;
  throw new BusError('E_UNKNOWN_NOUN', `customer ${customer} has no terminal at ${dir.file.site}`);
}

async function publicKeys(dir: SiteDir, id: string) {
  const { signKey, wrapKey, sign } = deriveTerminalKeys(await dir.securekey(id));
  const keys = { terminalId: id, signKey, wrapKey, linkUser: (await dir.linkUser(id)).getPublicKey() };
  return { ...keys, proof: signRegistration(keys, sign) };
}
