/** Around a transit: routes and links that a test moves by hand, signed-looking passages, and a real nats-server. */
import { spawn } from 'node:child_process';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { encodeFrame } from '../../src/envelope/index.ts';
import { BusError } from '../../src/errors.ts';
import type { TransitLink, TransitRoutes } from '../../src/transit/forwarder.ts';
import type { Passage } from '../../src/transit/transit.ts';
import { fixedUuid, flow, manifestOf } from './envelopes.ts';
import { eventually, freePort, natsBinary, type TestScope } from './nats-server.ts';

export const self = fixedUuid('self');

/** Next hops by destination; a hop that is on the path is no hop. */
export class HandRoutes implements TransitRoutes {
  readonly #hops = new Map<string, { linkId: string; terminalId: string }>();
  readonly #listeners = new Set<() => void>();

  set(terminalId: string, linkId: string | null): void {
    if (linkId === null) this.#hops.delete(terminalId);
    else this.#hops.set(terminalId, { linkId, terminalId: fixedUuid(`end of ${linkId}`) });
    for (const listener of this.#listeners) listener();
  }

  nextHop(terminalId: string, avoid: readonly string[] = []): { linkId: string; terminalId: string } | null {
    const hop = this.#hops.get(terminalId);
    return hop === undefined || avoid.includes(hop.terminalId) ? null : hop;
  }

  onChange(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }
}

/** Keeps what was sent; answers at once, or when the test says so. */
export class HandLink implements TransitLink {
  readonly windowBytes: number;
  readonly sent: { frame: Uint8Array; lane: string }[] = [];
  /** what the next frames are answered with; `stored` when it is empty */
  answers: ('stored' | 'E_PEER_BUSY' | 'E_PEER_REFUSED' | 'E_LINK_DOWN' | 'E_VERSION_APART')[] = [];
  isHeld = false;
  #held: (() => void)[] = [];

  constructor(windowBytes = 64 * 1024) {
    this.windowBytes = windowBytes;
  }

  async send(frame: Uint8Array, lane = ''): Promise<void> {
    this.sent.push({ frame, lane });
    const answer = this.answers.shift() ?? 'stored';
    if (this.isHeld) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (answer !== 'stored') throw new BusError(answer, `said ${answer}`);
  }

  letGo(): void {
    this.isHeld = false;
    for (const resolve of this.#held.splice(0)) resolve();
  }
}

/** An envelope of a topic for terminals, each with a group of its own name. */
export function passageOf(
  topic: string,
  range: readonly [number, number],
  terminals: readonly string[],
  options: { bytes?: number; path?: string[]; shun?: string[] } = {},
): Passage {
  const { bytes = 2_000, path = [flow.originId], shun = [] } = options;
  const destinations = terminals.map(fixedUuid).sort();
  const assignments = destinations.map((terminalId) => ({
    groupId: fixedUuid(`group at ${terminalId}`),
    terminalId,
    since: 1,
  }));
  const [first, last] = range;
  const manifest = manifestOf({ flow: { ...flow, topicId: fixedUuid(topic) }, first, last, assignments });
  const parts = { manifest: Buffer.alloc(100), sealed: Buffer.alloc(bytes) };
  const frame = encodeFrame({ kind: 'envelope', hopLimit: 16, path, shun, destinations, ...parts });
  return { bytes: frame, manifest, path, shun, destinations };
}

/** A nats-server with JetStream on a directory; the same directory holds what it stored before. */
export async function startJetStream(scope: TestScope, dir: string): Promise<NatsConnection> {
  const port = await freePort();
  const server = spawn(await natsBinary(), ['-a', '127.0.0.1', '-p', `${port}`, '-js', '-sd', dir], {
    stdio: 'ignore',
  });
  scope.onEnd(
    () =>
      new Promise<void>((resolve) => {
        server.once('exit', () => resolve());
        server.kill('SIGKILL');
      }),
  );
  const nc = await eventually('nats-server', () => connect({ servers: `127.0.0.1:${port}` }).catch(() => undefined));
  scope.onEnd(() => nc.close());
  return nc;
}
