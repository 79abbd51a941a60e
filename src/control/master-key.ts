/**
 * The master key: 32 bytes that open what the database keeps encrypted. It comes from a file, from an environment variable, or
 * from a command that prints it, behind which a key management service can stand; it is never stored by the bus.
 *
 * A running replica reads it again when it does not open any more: after `mbus key rewrap` the others go on with the new one,
 * where their source gives it.
 */
import { exec } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type Clock, systemClock } from '../clock.ts';
import { BusError } from '../errors.ts';
import { getMasterKeyId, type Registry } from '../registry/index.ts';
import { readFileIfThere } from '../trust/index.ts';
import { masterKeyPath } from './dir.ts';

export type MasterKeySource = { file: string } | { text: string } | { command: string };

const keyBytes = 32;
const reloadEveryMs = 1_000;
const commandMs = 30_000;

export class MasterKey {
  readonly #source: MasterKeySource;
  readonly #clock: Clock;
  #bytes: Buffer;
  #readAtMs: number;

  private constructor(source: MasterKeySource, bytes: Buffer, clock: Clock) {
    this.#source = source;
    this.#bytes = bytes;
    this.#clock = clock;
    this.#readAtMs = clock.monotonicMs();
  }

  /** E_MASTER_KEY when the source does not give 32 bytes. */
  static async open(source: MasterKeySource, clock = systemClock): Promise<MasterKey> {
    return new MasterKey(source, await readKeySource(source), clock);
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get id(): string {
    return masterKeyId(this.#bytes);
  }

  /** Reads it again, once a second at most. True when it is another one than before. */
  async reload(): Promise<boolean> {
    if (this.#clock.monotonicMs() - this.#readAtMs < reloadEveryMs) return false;
    this.#readAtMs = this.#clock.monotonicMs();
    const bytes = await readKeySource(this.#source);
    const isOther = !bytes.equals(this.#bytes);
    this.#bytes = bytes;
    return isOther;
  }
}

/**
 * The key that this database was written with. A directory that was left in the middle of a rewrap goes on with the new one.
 * E_MASTER_KEY when the source gives another key, or none.
 */
export async function openMasterKey(
  db: Registry,
  dir: string,
  source: MasterKeySource | undefined,
): Promise<MasterKey> {
  const own = { file: masterKeyPath(dir) };
  const wanted = await getMasterKeyId(db);
  const key = await MasterKey.open(source ?? own);
  if (wanted === null || wanted === key.id) return key;
  if (source === undefined && (await isNext(dir, wanted))) {
    await rename(nextKeyPath(dir), own.file);
    return MasterKey.open(own);
  }
  const text = `the database was written with master key ${wanted}, this one is ${key.id}: give the right one`;
  throw new BusError('E_MASTER_KEY', text, { details: { wanted, given: key.id } });
}

async function isNext(dir: string, wanted: string): Promise<boolean> {
  const next = await readFileIfThere(nextKeyPath(dir));
  return next !== undefined && masterKeyId(next) === wanted;
}

/** The key that a rewrap is about to put in the place of master.key. */
export function nextKeyPath(dir: string): string {
  return `${masterKeyPath(dir)}.next`;
}

/** A fingerprint that tells nothing of the key. */
export function masterKeyId(key: Uint8Array): string {
  return createHash('sha256').update('mbus master key id v1').update(key).digest('hex').slice(0, 16);
}

/** @param variable what the source is called in messages. E_MASTER_KEY */
export async function readKeySource(source: MasterKeySource, variable = 'MBUS_MASTER_KEY'): Promise<Buffer> {
  if ('text' in source) return parseKey(Buffer.from(source.text), variable);
  if ('command' in source)
    return parseKey(await runCommand(source.command, `${variable}_COMMAND`), `${variable}_COMMAND`);
  const bytes = await readFile(source.file).catch((cause: unknown) => {
    throw new BusError('E_MASTER_KEY', `the key file ${source.file} cannot be read`, { cause });
  });
  return parseKey(bytes, `key file ${source.file}`);
}

/** 32 raw bytes, or their hexadecimal or base64 text. */
function parseKey(given: Buffer, where: string): Buffer {
  if (given.length === keyBytes) return given;
  const text = given.toString('latin1').trim();
  const key = /^[0-9a-fA-F]{64}$/.test(text) ? Buffer.from(text, 'hex') : decodeBase64(text);
  if (key?.length === keyBytes) return key;
  throw new BusError(
    'E_MASTER_KEY',
    `${where}: gives ${given.length} bytes, not a key of ${keyBytes}, raw or as hex or base64`,
  );
}

function decodeBase64(text: string): Buffer | undefined {
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}

/** What it prints is a secret: an error tells how it ended, not what it said. */
async function runCommand(command: string, variable: string): Promise<Buffer> {
  try {
    const { stdout } = await promisify(exec)(command, { encoding: 'buffer', timeout: commandMs, maxBuffer: 64 * 1024 });
    return stdout;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'a signal';
    throw new BusError('E_MASTER_KEY', `${variable} ended with ${code} and gave no key`);
  }
}
