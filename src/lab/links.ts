/**
 * The verbs' side of the lab's daemon: what to do with which link, its counters, and a tap on it.
 */
import { readFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { BusError } from '../errors.ts';
import {
  type DaemonCommand,
  type DaemonFile,
  daemonFileSchema,
  type LinkStats,
  linkStatsSchema,
  tapHeadBytes,
} from './daemon-api.ts';
import type { Direction } from './proxy.ts';

const answerTimeoutMs = 5_000;
const refusalSchema = z.strictObject({ code: z.string(), message: z.string() });

export class Links {
  readonly #daemon: DaemonFile;

  private constructor(daemon: DaemonFile) {
    this.#daemon = daemon;
  }

  /** Reads where the daemon of the lab in `dir` listens; E_LAB_GONE when it never started. */
  static async open(dir: string): Promise<Links> {
    const text = await readFile(join(dir, 'links.json'), 'utf8').catch((cause: unknown) => {
      throw new BusError('E_LAB_GONE', `${dir}: no lab was started here`, { cause });
    });
    return new Links(daemonFileSchema.parse(JSON.parse(text)));
  }

  /** Carries out one command and returns all links. E_LAB_NOUN: no such link. E_LAB_GONE: the daemon does not answer. */
  async run(command: DaemonCommand): Promise<LinkStats[]> {
    return this.#ask({ method: 'POST', body: JSON.stringify(command) });
  }

  async stats(): Promise<LinkStats[]> {
    return this.#ask({ method: 'GET' });
  }

  /** Calls back with every byte that passes `link`, until close(). The link waits for a slow callback. */
  async tap(link: string, onBytes: (direction: Direction, bytes: Buffer) => void): Promise<{ close(): void }> {
    const url = `${this.#url}/tap?link=${encodeURIComponent(link)}`;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(url, { headers: this.#headers, agent: false }, resolve).once('error', reject);
    });
    if (response.statusCode !== 200) throw new BusError('E_LAB_NOUN', `no link ${link} to listen to`);
    response.on('error', () => undefined);
    readPieces(response, onBytes);
    return { close: () => response.destroy() };
  }

  async #ask(init: { method: string; body?: string }): Promise<LinkStats[]> {
    const signal = AbortSignal.timeout(answerTimeoutMs);
    const response = await fetch(this.#url, { ...init, signal, headers: this.#headers }).catch((cause: unknown) => {
      throw new BusError('E_LAB_GONE', "the lab's daemon does not answer: its links are down", { cause });
    });
    if (response.ok) return z.array(linkStatsSchema).parse(await response.json());
    const refusal = refusalSchema.safeParse(await response.json().catch(() => undefined));
    throw new BusError(
      'E_LAB_NOUN',
      refusal.success ? refusal.data.message : `the lab's daemon said ${response.status}`,
    );
  }

  get #url(): string {
    return `http://127.0.0.1:${this.#daemon.port}`;
  }

  get #headers(): Record<string, string> {
    return { authorization: `Bearer ${this.#daemon.token}` };
  }
}

function readPieces(stream: IncomingMessage, onBytes: (direction: Direction, bytes: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= tapHeadBytes) {
      const end = at + tapHeadBytes + rest.readUInt32BE(at + 1);
      if (rest.length < end) break;
      onBytes(rest.readUInt8(at) === 0 ? 'up' : 'down', rest.subarray(at + tapHeadBytes, end));
      at = end;
    }
    rest = rest.subarray(at);
  });
}
