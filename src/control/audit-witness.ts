/**
 * Remembers how far the audit table had come, outside of it: signed, in a table of its own and in a file of this replica's
 * directory, once a second. Whoever owns the database can take rows from the end and put an older head back; the file still
 * tells. What is removed within a second of being written is not missed.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { ControlKeys } from '../api/index.ts';
import { isSignedBy } from '../api/index.ts';
import { systemClock } from '../clock.ts';
import { errorText } from '../errors.ts';
import type { Logger } from '../log.ts';
import {
  type AuditHead,
  type AuditVerdict,
  auditHashAt,
  listAuditHeads,
  putAuditHead,
  type Registry,
  readAuditHead,
  verifyAudit,
} from '../registry/index.ts';
import { readFileIfThere, writeFileAtomic } from '../trust/index.ts';

export interface WitnessOptions {
  db: Registry;
  /** this replica's own directory */
  dir: string;
  replicaId: string;
  keys: Pick<ControlKeys, 'signKey' | 'sign'>;
  log: Logger;
}

const context = 'mbus audit head v1';
const everyMs = 1_000;
const fileName = 'audit-head.json';
const fileSchema = z.strictObject({ id: z.number().int(), hash: z.base64url(), signature: z.base64url() });

export class AuditWitness {
  readonly #options: WitnessOptions;
  #seen = -1;

  constructor(options: WitnessOptions) {
    this.#options = options;
  }

  /** Runs until the signal aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    let hasFailed = false;
    while (!signal.aborted) {
      try {
        await this.note();
        hasFailed = false;
      } catch (err) {
        if (!hasFailed) this.#options.log.warn({ event: 'audit.head-failed', err }, `audit head: ${errorText(err)}`);
        hasFailed = true;
      }
      await systemClock.sleep(everyMs, signal).catch(() => undefined);
    }
  }

  /** Signs and keeps the newest head, when it has moved on. A table that has become shorter is left to `verify` to find. */
  async note(): Promise<void> {
    const { db, dir, replicaId, keys } = this.#options;
    const { id, hash } = await readAuditHead(db);
    const before = await this.#file();
    if (id <= Math.max(this.#seen, before?.id ?? -1)) return;
    const head = { id, hash, signature: Buffer.from(keys.sign(context, bytesOf(id, hash))) };
    await putAuditHead(db, replicaId, head);
    const text = { id, hash: hash.toString('base64url'), signature: head.signature.toString('base64url') };
    await writeFileAtomic(join(dir, fileName), `${JSON.stringify(text)}\n`);
    this.#seen = id;
  }

  /** The chain first, then every head that is known: those of the table, and this replica's own. */
  async verify(db: Registry): Promise<AuditVerdict> {
    const chain = await verifyAudit(db);
    if (!chain.ok) return chain;
    const own = await this.#file();
    const heads = [...(await listAuditHeads(db)), ...(own ? [own] : [])].sort((a, b) => a.id - b.id);
    for (const head of heads) {
      const isGenuine = isSignedBy(this.#options.keys.signKey, context, bytesOf(head.id, head.hash), head.signature);
      if (!isGenuine)
        return {
          ok: false,
          firstBadId: head.id,
          reason: 'a head of the audit table is not signed by this control plane',
        };
      const hash = await auditHashAt(db, head.id);
      if (hash === null)
        return { ok: false, firstBadId: chain.rows + 1, reason: `entries up to ${head.id} were there and are gone` };
      if (!hash.equals(head.hash))
        return { ok: false, firstBadId: head.id, reason: 'this entry, or one before it, was written anew' };
    }
    return chain;
  }

  async #file(): Promise<AuditHead | undefined> {
    const bytes = await readFileIfThere(join(this.#options.dir, fileName));
    if (!bytes) return undefined;
    const { id, hash, signature } = fileSchema.parse(JSON.parse(bytes.toString('utf8')));
    return { id, hash: Buffer.from(hash, 'base64url'), signature: Buffer.from(signature, 'base64url') };
  }
}

function bytesOf(id: number, hash: Uint8Array): Buffer {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(id));
  return Buffer.concat([number, hash]);
}
