/**
 *   tokyo ══ osaka ══ frankfurt      the lab of `npm run attack`, with the victim's messages in it
 *     ╚═══════ lima ══════╝
 *
 * Ten thousand changed frames into links, control plane and key service; `npm run fuzz` sends as many as one likes.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { searchLab } from '../../attack/canaries.ts';
import { startWorld, type World } from '../../attack/world.ts';
import { fuzz } from '../../fuzz/fuzz.ts';

let world: World;
let down = async (): Promise<void> => undefined;

beforeAll(async () => {
  ({ world, down } = await startWorld({ messages: 0, progress: () => undefined }));
}, 300_000);
afterAll(() => down());

test('changed frames are refused and counted, or say the same; nothing falls over, honest messages go on', {
  timeout: 240_000,
}, async () => {
  const { problems, tallies, frames } = await fuzz(world, { frames: 10_000, seed: 7 });
  expect(problems).toEqual([]);
  expect(frames).toBeGreaterThanOrEqual(10_000);
  expect(tallies.map(({ refused }) => Object.keys(refused).length > 0)).not.toContain(false);
});

test('after that, no file, log, page, answer or command line holds a payload or a secret that does not belong there', {
  timeout: 120_000,
}, async () => {
  const { isHeld, answer } = await searchLab(world);
  expect(isHeld, answer).toBe(true);
  process.stdout.write(`${answer}\n`);
});

test('the victim’s messages have arrived, each once', { timeout: 90_000 }, async () => {
  const { confirmed, ...wrong } = await world.victim.stop();
  expect(confirmed).toBeGreaterThan(100);
  expect(wrong).toEqual({ lost: 0, doubled: 0, foreign: 0 });
});
