/**
 * T9 and K8: more than anybody may have, and what others feel of it. The attacker's processes share this machine with its
 * victims, so a percentile counts as unharmed below twice what it was, or below twice `quietMs` where it was less; on a
 * machine with more to do than cores that much longer.
 */
import { randomBytes } from 'node:crypto';
import { cpus, loadavg } from 'node:os';
import { jetstream } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/nats-core';
import { type Attack, type Outcome, verdict } from './attack.ts';
import { p99Of } from './victim.ts';
import { codeOf, soon, type World } from './world.ts';

const quietMs = 250;
/** of globex in the lab's file, and of one connection of an application */
const limits = { connections: 64, subscriptions: 1_000 };

function unharmed(what: string, before: number, meanwhile: number): string[] {
  const share = Math.max(1, (loadavg()[0] ?? 0) / cpus().length);
  const most = 2 * Math.max(before, quietMs * share);
  return meanwhile <= most
    ? []
    : [`${what}: p99 ${Math.round(before)} ms before, ${Math.round(meanwhile)} ms meanwhile`];
}

async function floodSite(world: World): Promise<Outcome> {
  const before = await world.victim.p99();
  const abort = new AbortController();
  const connections = floodConnections(world, abort.signal);
  const [subscribed, stored, meanwhile] = await Promise.all([
    floodSubscriptions(world),
    storeTooMuch(world),
    world.victim.p99(),
  ]);
  abort.abort();
  const { most, refused } = await connections;
  const problems = [...stored.problems, ...unharmed('the victim', before, meanwhile)];
  if (most > limits.connections) problems.push(`${most} connections of ${limits.connections}`);
  if (refused === 0) problems.push('no connection was refused');
  if (subscribed > limits.subscriptions) problems.push(`${subscribed} subscriptions of ${limits.subscriptions}`);
  const times = `p99 of others ${Math.round(before)} ms, meanwhile ${Math.round(meanwhile)} ms`;
  return verdict(
    problems,
    `${most} connections, then ${refused} refused; ${subscribed} subscriptions of one; ${stored.bytes} of 12000000 bytes stored; ${times}`,
  );
}

/** Opens connections without pause and keeps those it gets; how many stood at once, how many were refused. */
async function floodConnections(world: World, signal: AbortSignal): Promise<{ most: number; refused: number }> {
  const kept: NatsConnection[] = [];
  let refused = 0;
  const lane = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        kept.push(await world.app('globex/spy', { reconnect: false, timeout: 5_000 }));
      } catch {
        refused += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  const most = kept.filter((nc) => !nc.isClosed()).length;
  await Promise.all(kept.map((nc) => nc.close()));
  return { most, refused };
}

/** Subscribes to five times what one connection may; how many the server keeps, by its own word. */
async function floodSubscriptions(world: World): Promise<number> {
  const name = 'attack-subscriptions';
  const nc = await world.app('acme/intruder', { name, reconnect: false });
  for (let n = 0; n < 5 * limits.subscriptions; n++) nc.subscribe(`_INBOX.flood.${n}`, { callback: () => undefined });
  // refused the connection may be closed, and has none
  await nc.flush().catch(() => undefined);
  const { dir } = await world.site('tokyo');
  const page = await fetch(`http://${dir.file.monitor}/connz?limit=2000`);
  const { connections } = (await page.json()) as { connections: { name?: string; subscriptions: number }[] };
  await nc.close().catch(() => undefined);
  return connections.find((each) => each.name === name)?.subscriptions ?? 0;
}

/** More bytes than the topic has, and a header and a subject larger than any message. */
async function storeTooMuch(world: World): Promise<{ bytes: number; problems: string[] }> {
  const nc = await world.app('acme/intruder');
  const js = jetstream(nc);
  const isStored = (
    subject: string,
    payload: Uint8Array | string,
    huge?: ReturnType<typeof headers>,
  ): Promise<boolean> =>
    js.publish(subject, payload, { timeout: 5_000, ...(huge && { headers: huge }) }).then(
      () => true,
      () => false,
    );
  const problems: string[] = [];
  // at once: what goes on to the next site leaves room again
  const flood = Array.from({ length: 60 }, () => isStored('quote.f', Buffer.alloc(200_000)));
  const bytes = 200_000 * (await Promise.all(flood)).filter(Boolean).length;
  if (bytes === 200_000 * flood.length) problems.push(`${bytes} bytes in a topic of 1 MiB`);
  const huge = headers();
  huge.append('X', 'y'.repeat(2 * 1024 * 1024));
  if (await isStored('quote.f', '', huge)) problems.push('2 MiB of headers were stored');
  if (await isStored(`quote.${'x'.repeat(64 * 1024)}`, '')) problems.push('a subject of 64 KiB was stored');
  return { bytes, problems };
}

/** Wrong passwords without pause from one terminal, while another asks for tickets as it does every day. */
async function guessKeys(world: World): Promise<Outcome> {
  const [osaka, tokyo] = [await world.site('osaka'), await world.site('tokyo')];
  const topicId = tokyo.customer('acme').topics.find(({ name }) => name === 'trade')?.id ?? '';
  const [guesser, honest] = [await osaka.calls('acme'), await tokyo.calls('acme')];
  const before = await ticketTimes(() => honest.ticket(topicId));
  const codes = new Map<string, number>();
  let isHonestDone = false;
  const startMs = performance.now();
  const flood = async (): Promise<void> => {
    // few enough at once for a slow machine to answer each in time
    const [guesses, atOnce] = [4_000, 50];
    for (let sent = 0; sent < guesses; sent += atOnce) {
      const asked = Array.from({ length: atOnce }, () =>
        codeOf(guesser.open(topicId, randomBytes(16), randomBytes(32))),
      );
      for (const code of await Promise.all(asked)) codes.set(code, (codes.get(code) ?? 0) + 1);
      if (isHonestDone && (codes.get('E_KEY_BUSY') ?? 0) > 100) return;
    }
  };
  const [meanwhile] = await Promise.all([
    ticketTimes(() => honest.ticket(topicId)).finally(() => {
      isHonestDone = true;
    }),
    flood(),
  ]);
  const problems = codes.has('given') ? ['a guess was right'] : [];
  const asked = [...codes.values()].reduce((sum, count) => sum + count, 0);
  const perSecond = Math.round((asked * 1_000) / (performance.now() - startMs));
  const told = [...codes].map(([code, count]) => `${count} ${code}`).join(', ');
  // wrong ones may come ten a second after the first two hundred
  if (!codes.has('E_KEY_BUSY')) problems.push(`the limit was not met by ${told} at ${perSecond} a second`);
  problems.push(...unharmed('another terminal', before, meanwhile));
  const times = `p99 of another terminal’s tickets ${Math.round(before)} ms, meanwhile ${Math.round(meanwhile)} ms`;
  return verdict(problems, `${told}; ${times}`);
}

/**
 * 99th percentile of requests one after the other, ms: two hundred, or as many as a slow machine answers in twenty seconds. One
 * without an answer in time is asked again, as terminals do.
 */
async function ticketTimes(ask: () => Promise<unknown>): Promise<number> {
  const samples: number[] = [];
  const deadline = performance.now() + 20_000;
  for (let n = 0; n < 200 && performance.now() < deadline; n++) {
    const startMs = performance.now();
    await soon(async () => (await codeOf(ask())) === 'given', 60_000);
    samples.push(performance.now() - startMs);
  }
  return p99Of(samples);
}

export const floodAttacks: Attack[] = [
  {
    id: 'T9',
    attempt: 'connections, subscriptions, stored bytes, huge headers and subjects',
    defence: 'customer-limits',
    run: floodSite,
  },
  { id: 'K8', attempt: 'guesses at the key service', defence: 'rate-limit', run: guessKeys },
];
