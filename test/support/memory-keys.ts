/**
 * A key service in memory for unit tests of ticket lives: real derivations and wrapping, no database, time and answers
 * under the test's control. What the real one refuses is tested against PostgreSQL in test/integration/keys.
 */
import { randomBytes } from 'node:crypto';
import type { ControlClient, MethodName, RequestOf } from '../../src/api/methods.ts';
import type { Clock } from '../../src/clock.ts';
import { context, newId16, parseSealedHeader, signCertificate, signerOf } from '../../src/envelope/index.ts';
import { BusError } from '../../src/errors.ts';
import { deriveTicket } from '../../src/keys/derive.ts';
import { type TerminalKeys, wrapInfo, wrapTo } from '../../src/keys/index.ts';
import { fixedBytes, ids, newSigner } from './envelopes.ts';

/** Time that moves when the test says so; sleepers wake when it passes them. */
export class TestClock implements Clock {
  #nowMs = 0;
  readonly #sleepers = new Set<{ atMs: number; wake: () => void }>();

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { atMs: this.#nowMs + ms, wake: resolve };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  /** Moves on in steps of a second, letting woken work run between them. */
  async advance(ms: number): Promise<void> {
    for (const endMs = this.#nowMs + ms; this.#nowMs < endMs; ) {
      this.#nowMs = Math.min(endMs, this.#nowMs + 1_000);
      for (const sleeper of this.#sleepers) {
        if (sleeper.atMs > this.#nowMs) continue;
        this.#sleepers.delete(sleeper);
        sleeper.wake();
      }
      await settle();
    }
  }
}

/** Lets everything that is ready run, WebCrypto's thread pool included. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export class MemoryKeys {
  readonly signer = newSigner();
  readonly lifeMs = 300_000;
  readonly calls: MethodName[] = [];
  /** key version of new tickets */
  epoch = 1;
  /** thrown instead of the next answers while set */
  failure: BusError | undefined;
  readonly #clock: Clock;
  readonly #wrapKeys: Record<string, string>;
  readonly #passwords = new Map<string, { ticketId: string; endMs: number }>();
  readonly #root = fixedBytes('memory root', 32);

  constructor(clock: Clock, terminals: Record<string, TerminalKeys>) {
    this.#clock = clock;
    this.#wrapKeys = Object.fromEntries(Object.entries(terminals).map(([id, keys]) => [id, keys.wrapKey]));
  }

  count(method: MethodName): number {
    return this.calls.filter((called) => called === method).length;
  }

  get client(): Pick<ControlClient, 'call'> {
    const call = async (method: MethodName, request: unknown): Promise<unknown> => {
      this.calls.push(method);
      await settle();
      if (this.failure) throw this.failure;
      if (method === 'key.ticket') return this.#ticket(request as RequestOf<'key.ticket'>);
      if (method === 'key.open') return this.#open(request as RequestOf<'key.open'>);
      return this.#reticket(request as RequestOf<'key.reticket'>);
    };
    return { call: call as ControlClient['call'] };
  }

  async #ticket({ terminalId, topicId, nonce }: RequestOf<'key.ticket'>): Promise<unknown> {
    const ticketId = newId16();
    const { sealing, opening } = await deriveTicket(this.#root, { topicId, epoch: this.epoch }, ticketId);
    const password = this.#newPassword(ticketId.toString('base64url'));
    const certificate = signCertificate(
      {
        customerId: ids.customer,
        topicId,
        epoch: this.epoch,
        ticketId,
        terminalId,
        signKey: opening.signKey,
        sealKey: sealing.sealKey,
        notBeforeMs: this.#clock.wallMs(),
        expiryMs: this.#clock.wallMs() + this.lifeMs,
      },
      signerOf(this.signer.privateKey),
    );
    const info = wrapInfo(context.wrapSealing, terminalId, ticketId, Buffer.from(nonce, 'base64url'));
    const wrapped = await this.#wrap(terminalId, info, Buffer.concat([password, sealing.signSeed]));
    return {
      ticketId: ticketId.toString('base64url'),
      epoch: this.epoch,
      ttlMs: this.lifeMs,
      certificate: certificate.toString('base64url'),
      wrapped,
    };
  }

  async #open({ terminalId, topicId, ticketId, password, nonce }: RequestOf<'key.open'>): Promise<unknown> {
    const known = this.#passwords.get(password);
    if (known?.ticketId !== ticketId) throw new BusError('E_KEY_REFUSED', 'refused');
    const leftMs = known.endMs - this.#clock.monotonicMs();
    if (leftMs <= 0) throw new BusError('E_TICKET_EXPIRED', 'expired');
    const id = Buffer.from(ticketId, 'base64url');
    const { opening } = await deriveTicket(this.#root, { topicId, epoch: 1 }, id);
    const info = wrapInfo(context.wrapOpening, terminalId, id, Buffer.from(nonce, 'base64url'));
    return { ttlMs: leftMs, wrapped: await this.#wrap(terminalId, info, opening.openKey) };
  }

  async #reticket({ terminalId, header, nonce }: RequestOf<'key.reticket'>): Promise<unknown> {
    const ticketId = Buffer.from(parseSealedHeader(Buffer.from(header, 'base64url')).ticketId);
    const password = this.#newPassword(ticketId.toString('base64url'));
    const info = wrapInfo(context.wrapPassword, terminalId, ticketId, Buffer.from(nonce, 'base64url'));
    return { ttlMs: this.lifeMs, wrapped: await this.#wrap(terminalId, info, password) };
  }

  #newPassword(ticketId: string): Buffer {
    const password = randomBytes(32);
    const endMs = this.#clock.monotonicMs() + this.lifeMs;
    this.#passwords.set(password.toString('base64url'), { ticketId, endMs });
    return password;
  }

  async #wrap(terminalId: string, info: Uint8Array, plaintext: Uint8Array): Promise<string> {
    const wrapKey = Buffer.from(this.#wrapKeys[terminalId]!, 'base64url');
    return (await wrapTo(wrapKey, info, plaintext)).toString('base64url');
  }
}
