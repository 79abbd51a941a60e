/**
 * What makes a control plane this one: operator and account keys, signing and sealing keys, the bus's CA, the replicas'
 * shared secret. Made by whoever starts first, stored under the master key, loaded by every replica. The operator's and
 * accounts' tokens are kept as text, because encoding them again gives other bytes.
 */
import { randomBytes } from 'node:crypto';
import { type ControlKeys, loadControlKeys } from '../api/index.ts';
import { loadOrCreateStored, type Registry } from '../registry/index.ts';
import {
  type CertificateAuthority,
  createCa,
  createKey,
  encodeAccountJwt,
  encodeOperatorJwt,
  type KeyPair,
  keyFromSeed,
  type NKeyKind,
  seedText,
} from '../trust/index.ts';

export interface ControlIdentity {
  keys: ControlKeys;
  ca: CertificateAuthority;
  operatorJwt: string;
  system: AccountIdentity;
  /** account CTL: sites, admins and the replicas' own service */
  ctl: AccountIdentity;
  clusterSecret: string;
  /** a new token of account CTL under which these users (U…, seconds since 1970) are let in no more */
  ctlJwtWithout(revocations: Record<string, number>): Promise<string>;
}

export interface AccountIdentity {
  key: KeyPair;
  id: string;
  jwt: string;
}

export async function loadIdentity(db: Registry, masterKey: Uint8Array): Promise<ControlIdentity> {
  const stored = (name: string, create: () => Promise<Uint8Array> | Uint8Array): Promise<Buffer> =>
    loadOrCreateStored(db, masterKey, name, create);
  const text = async (name: string, create: () => Promise<string> | string): Promise<string> =>
    (await stored(name, async () => Buffer.from(await create()))).toString('utf8');
  const key = async (name: string, kind: NKeyKind): Promise<KeyPair> =>
    keyFromSeed(kind, await text(name, () => seedText(createKey(kind))), name);

  const operator = await key('operator.seed', 'operator');
  const account = async (name: string): Promise<AccountIdentity> => {
    const pair = await key(`${name}.seed`, 'account');
    const id = pair.getPublicKey();
    const jwt = await text(`${name}.jwt`, () => encodeAccountJwt(accountClaims(name), id, operator));
    return { key: pair, id, jwt };
  };
  const system = await account('SYS');
  const ctl = await account('CTL');
  const operatorJwt = await text('operator.jwt', () => encodeOperatorJwt('mbus-control', operator, system.id));
  const ca = await text('ca', async () => JSON.stringify(await createCa({ name: 'MessageBus CA' })));
  const signSeed = await stored('sign.seed', () => randomBytes(32));
  const sealKey = await stored('seal.key', () => randomBytes(32));
  return {
    keys: await loadControlKeys(signSeed, sealKey),
    ca: JSON.parse(ca) as CertificateAuthority,
    operatorJwt,
    system,
    ctl,
    ctlJwtWithout: (revocations) => encodeAccountJwt({ ...accountClaims('CTL'), revocations }, ctl.id, operator),
    clusterSecret: await text('cluster.secret', () => randomBytes(24).toString('hex')),
  };
}

function accountClaims(name: string) {
  return { name, hasJetStream: false, maxConnections: -1, maxLeafs: -1, maxSubscriptions: -1, scopes: [] };
}
