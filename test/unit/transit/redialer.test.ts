import { expect, test } from 'vitest';
import { Redialer } from '../../../src/transit/redialer.ts';

/** Beats four times a second and notes when it dialled. */
async function run(
  seconds: number,
  {
    isConnected = true,
    isAnswered = false,
    redial = async () => undefined,
  }: {
    isConnected?: boolean;
    isAnswered?: boolean;
    redial?: () => Promise<void>;
  } = {},
): Promise<number[]> {
  const redialer = new Redialer({ redial, isConnected: () => isConnected, random: () => 1 });
  const dialled: number[] = [];
  for (let nowMs = 0; nowMs <= seconds * 1_000; nowMs += 250) {
    if (redialer.beat(nowMs, isAnswered)) dialled.push(nowMs / 1_000);
    await Promise.resolve().then(() => undefined);
    await Promise.resolve();
  }
  return dialled;
}

test('a connection that carries nothing is dialled anew after ten seconds, then ever more rarely, for ever', async () => {
  expect(await run(100)).toEqual([10, 30, 70]);
  const day = await run(86_400);
  expect(day.length).toBeGreaterThan(280);
  expect(day.at(-1)! - day.at(-2)!).toBe(300);
});

test('a server that dials by itself is left alone for a minute', async () => {
  expect((await run(100, { isConnected: false }))[0]).toBe(60);
});

test('a connection over which the server says that nobody listens works', async () => {
  expect(await run(600, { isAnswered: true })).toEqual([]);
});

test('a dial that failed is tried again, and none begins while one is under way', async () => {
  const failing = await run(100, { redial: () => Promise.reject(new TypeError('no server')) });
  expect(failing).toEqual([10, 30, 70]);
  expect(await run(100, { redial: () => new Promise(() => undefined) })).toEqual([10]);
});

test('a link that came back starts from the beginning', () => {
  const redialer = new Redialer({ redial: async () => undefined, isConnected: () => true, random: () => 1 });
  expect(redialer.beat(0, false)).toBe(false);
  expect(redialer.beat(10_000, false)).toBe(true);
  redialer.reset();
  expect(redialer.beat(11_000, false)).toBe(false);
  expect(redialer.beat(20_900, false)).toBe(false);
});

test('says how long it waits: nothing while the server dials by itself', async () => {
  const redialer = (isConnected: boolean) =>
    new Redialer({ redial: async () => undefined, isConnected: () => isConnected, random: () => 1 });
  const [dead, closed] = [redialer(true), redialer(false)];
  expect(dead.waitMs(0)).toBeNull();
  for (const each of [dead, closed]) each.beat(0, false);
  expect(dead.waitMs(4_000)).toBe(6_000);
  expect(closed.waitMs(4_000)).toBeNull();
  dead.beat(10_000, false);
  expect(dead.waitMs(12_000)).toBe(18_000);
});
