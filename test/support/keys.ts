/**
 * The key service against a real PostgreSQL: a bus of three sites and two customers with registered terminals.
 *
 *   acme:   tokyo ─▶ topic trade, group risk at frankfurt · topic quiet, no group · terminals at tokyo, frankfurt, virginia
 *   umbrella: topic trade, group audit at frankfurt
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import type { RequestOf } from '../../src/api/methods.ts';
import { busFileSchema } from '../../src/config/bus-file.ts';
import { context, newId16, type SignFn, signerOf } from '../../src/envelope/index.ts';
import {
  deriveTerminalKeys,
  newSecurekey,
  openProof,
  reticketProof,
  type TerminalKeys,
  ticketProof,
} from '../../src/keys/index.ts';
import {
  createKeyService,
  type KeyService,
  type KeyServiceOptions,
  type MasterKeyHolder,
  TopicRoots,
  type VersionContext,
} from '../../src/keys/service.ts';
import { silentLogger } from '../../src/log.ts';
import {
  applyBusFile,
  databaseNow,
  type EmbeddedPostgres,
  migrate,
  openDatabase,
  type Registry,
  startEmbedded,
} from '../../src/registry/index.ts';
import { setTerminalKeys } from '../../src/registry/terminals.ts';
import { newSigner } from './envelopes.ts';

export const masterKey = Buffer.alloc(32, 9);

/** A master key that stays as it is. */
export function heldKey(bytes: Uint8Array): MasterKeyHolder {
  return { bytes, id: 'test', reload: async () => false };
}

const file = busFileSchema.parse({
  sites: [
    { name: 'tokyo', mode: 'server', address: 'tokyo.example.net:7422' },
    { name: 'frankfurt', mode: 'server', address: 'fra.example.net:7422' },
    { name: 'virginia', mode: 'client' },
  ],
  customers: [
    {
      name: 'acme',
      terminals: ['tokyo', 'frankfurt', 'virginia'],
      links: [{ between: ['tokyo', 'frankfurt'] }, { between: ['virginia', 'frankfurt'] }],
      topics: [{ name: 'trade', groups: [{ name: 'risk', terminals: ['frankfurt'] }] }, { name: 'quiet' }],
    },
    {
      name: 'umbrella',
      terminals: ['tokyo', 'frankfurt'],
      links: [{ between: ['tokyo', 'frankfurt'] }],
      topics: [{ name: 'trade', groups: [{ name: 'audit', terminals: ['frankfurt'] }] }],
    },
  ],
});

/** A terminal as the tests act for it. */
export interface Actor {
  siteId: string;
  terminalId: string;
  customerId: string;
  keys: TerminalKeys;
}

export interface KeysBus {
  db: Registry;
  signer: { publicKey: ReturnType<typeof newSigner>['publicKey']; sign: SignFn };
  service(overrides?: Partial<KeyServiceOptions>): KeyService;
  /** for rotation and destruction; at another time than the database's when given */
  versions: VersionContext;
  /** `customer/site` */
  actor(name: string): Actor;
  /** `customer/topic` */
  topic(name: string): string;
  close(): Promise<void>;
}

export async function startKeysBus(): Promise<KeysBus> {
  const dir = await mkdtemp(join(tmpdir(), 'mbus-keys-'));
  const postgres = await startEmbedded({ dir: join(dir, 'postgres'), log: silentLogger });
  const db = await openDatabase({ url: postgres.url, log: silentLogger });
  await migrate(db);
  await applyBusFile(db, file, 'test');
  const [actors, topics] = [await registerAll(db), await topicIds(db)];
  const pair = newSigner();
  const roots = new TopicRoots(heldKey(masterKey), databaseNow);
  const signer = { publicKey: pair.publicKey, sign: signerOf(pair.privateKey) };
  return {
    db,
    signer,
    versions: { roots, now: databaseNow },
    service: (overrides) => createKeyService({ db, roots, signer, log: silentLogger, ...overrides }),
    actor: (name) => actors.get(name)!,
    topic: (name) => topics.get(name)!,
    close: () => close(db, postgres, dir),
  };
}

async function registerAll(db: Registry): Promise<Map<string, Actor>> {
  const { rows } = await sql<{ id: string; site_id: string; customer_id: string; name: string }>`
    select t.id, t.site_id, t.customer_id, c.name || '/' || s.name as name
    from terminals t join customers c on c.id = t.customer_id join sites s on s.id = t.site_id`.execute(db);
  const actors = new Map<string, Actor>();
  for (const row of rows) {
    const keys = deriveTerminalKeys(newSecurekey());
    await setTerminalKeys(db, row.id, { signKey: keys.signKey, wrapKey: keys.wrapKey, linkUser: 'U' });
    actors.set(row.name, { siteId: row.site_id, terminalId: row.id, customerId: row.customer_id, keys });
  }
  return actors;
}

async function topicIds(db: Registry): Promise<Map<string, string>> {
  const { rows } = await sql<{ id: string; name: string }>`
    select t.id, c.name || '/' || t.name as name from topics t join customers c on c.id = t.customer_id`.execute(db);
  return new Map(rows.map((row) => [row.name, row.id]));
}

async function close(db: Registry, postgres: EmbeddedPostgres, dir: string): Promise<void> {
  await db.destroy();
  await postgres.stop();
  await rm(dir, { recursive: true, force: true });
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

/** Requests as the terminal's own software makes them; `actor.keys` may be another's, to lie. */
export function ticketRequest(actor: Actor, topicId: string): RequestOf<'key.ticket'> {
  const { terminalId, keys } = actor;
  const nonce = newId16();
  const proof = text(keys.sign(context.proveTicket, ticketProof({ terminalId, topicId, nonce })));
  return { terminalId, topicId, nonce: text(nonce), proof };
}

export function openRequest(
  actor: Actor,
  topicId: string,
  ticketId: Uint8Array,
  password: Uint8Array,
): RequestOf<'key.open'> {
  const { terminalId, keys } = actor;
  const nonce = newId16();
  const proof = text(keys.sign(context.proveOpen, openProof({ terminalId, topicId, nonce, ticketId, password })));
  return { terminalId, topicId, ticketId: text(ticketId), password: text(password), nonce: text(nonce), proof };
}

export function reticketRequest(actor: Actor, topicId: string, header: Uint8Array): RequestOf<'key.reticket'> {
  const { terminalId, keys } = actor;
  const nonce = newId16();
  const proof = text(keys.sign(context.proveReticket, reticketProof({ terminalId, topicId, nonce, header })));
  return { terminalId, topicId, header: text(header), nonce: text(nonce), proof };
}
