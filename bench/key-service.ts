/**
 * How many requests a second one replica's key service answers: tickets and openings of many terminals, against a real
 * PostgreSQL with its ordinary settings, in this process (the transport and its sealed frames are not in the numbers).
 *
 *   node bench/key-service.ts [--seconds 5] [--workers 32] [--json]
 */
import { parseArgs } from 'node:util';
import type { ControlClient, RequestOf } from '../src/api/methods.ts';
import { systemClock } from '../src/clock.ts';
import { decodeSealed } from '../src/envelope/index.ts';
import { silentLogger } from '../src/log.ts';
import { createSealer } from '../src/sealing/index.ts';
import { type Actor, type KeysBus, openRequest, startKeysBus, ticketRequest } from '../test/support/keys.ts';

interface Row {
  what: string;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** of this process, per request; PostgreSQL's own is not in it */
  cpuMs: number;
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    workers: { type: 'string', default: '32' },
    json: { type: 'boolean' },
  },
});
const seconds = Number(values.seconds);
const workers = Number(values.workers);
/** every question of the time finds a second gone, so that no limit is met: what is measured is the work */
let nowMs = 0;
const unlimited = { ...systemClock, monotonicMs: () => (nowMs += 1_000) };

const bus = await startKeysBus();
try {
  const rows = [await measureTickets(bus), await measureOpenings(bus)];
  if (values.json) process.stdout.write(`${JSON.stringify({ seconds, workers, rows })}\n`);
  else
    for (const { what, perSecond, p50Ms, p99Ms, cpuMs } of rows) {
      process.stdout.write(
        `${what.padEnd(10)} ${perSecond.toFixed(0).padStart(7)}/s   p50 ${p50Ms.toFixed(1)} ms   p99 ${p99Ms.toFixed(1)} ms   ${cpuMs.toFixed(2)} ms of CPU each\n`,
      );
    }
} finally {
  await bus.close();
}

function measureTickets(bus: KeysBus): Promise<Row> {
  const service = bus.service({ clock: unlimited });
  const [actor, topic] = [bus.actor('acme/tokyo'), bus.topic('acme/trade')];
  return measure('tickets', () => service.ticket(actor.siteId, ticketRequest(actor, topic)));
}

async function measureOpenings(bus: KeysBus): Promise<Row> {
  const service = bus.service({ clock: unlimited });
  const [sender, receiver, topic] = [bus.actor('acme/tokyo'), bus.actor('acme/frankfurt'), bus.topic('acme/trade')];
  const { ticketId, password } = await sealedBy(sender, topic);
  return measure('openings', () => service.open(receiver.siteId, openRequest(receiver, topic, ticketId, password)));
}

async function sealedBy(actor: Actor, topicId: string) {
  const service = bus.service();
  const call = (_: string, request: unknown) => service.ticket(actor.siteId, request as RequestOf<'key.ticket'>);
  const sealer = createSealer({
    control: { call: call as unknown as ControlClient['call'] },
    customerId: actor.customerId,
    terminalId: actor.terminalId,
    keys: actor.keys,
    serviceKey: () => bus.signer.publicKey,
    clock: systemClock,
    log: silentLogger,
  });
  const topic = { id: topicId, strict: true, keyEpoch: null, ticketsSinceMs: null };
  const { sealed } = await sealer.seal(topic, Buffer.from('x'), { count: 1, compress: false });
  sealer.stop();
  return decodeSealed(sealed);
}

async function measure(what: string, once: () => Promise<unknown>): Promise<Row> {
  const times: number[] = [];
  const before = process.cpuUsage();
  const endMs = performance.now() + seconds * 1000;
  const loop = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const startMs = performance.now();
      await once();
      times.push(performance.now() - startMs);
    }
  };
  await Promise.all(Array.from({ length: workers }, loop));
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000 / times.length;
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor((times.length - 1) * share)] ?? 0;
  return { what, perSecond: times.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99), cpuMs };
}
