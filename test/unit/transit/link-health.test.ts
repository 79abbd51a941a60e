import { expect, test } from 'vitest';
import { LinkHealth } from '../../../src/transit/link-health.ts';

/** One hello every 250 ms; `rttMs` null: never answered. */
class Hellos {
  readonly health = new LinkHealth();
  nowMs = 0;

  send(count: number, rttMs: number | null): this {
    for (let index = 0; index < count; index++) {
      this.nowMs += 250;
      this.health.sent(`${this.nowMs}`, this.nowMs);
      if (rttMs !== null) this.health.answered(`${this.nowMs}`, this.nowMs + rttMs);
      this.health.beat(this.nowMs);
    }
    return this;
  }
}

test('round trip and jitter are smoothed', () => {
  const { health } = new Hellos().send(50, 10);
  expect(health.rttMs).toBeCloseTo(10);
  expect(health.jitterMs).toBeCloseTo(0);
  const swinging = new Hellos();
  for (let index = 0; index < 100; index++) swinging.send(1, index % 2 === 0 ? 10 : 30);
  expect(swinging.health.rttMs).toBeGreaterThan(15);
  expect(swinging.health.jitterMs).toBeGreaterThan(5);
});

test('loss is what stayed unanswered of the last 32, once it is overdue', () => {
  const hellos = new Hellos().send(32, 1).send(8, null);
  expect(hellos.health.lossRatio).toBeLessThan(8 / 32);
  hellos.send(24, 1);
  expect(hellos.health.lossRatio).toBe(8 / 32);
  hellos.send(32, 1);
  expect(hellos.health.lossRatio).toBe(0);
});

test('degraded begins with four late ones and ends with one', () => {
  const hellos = new Hellos().send(32, 1).send(3, null).send(5, 1);
  expect(hellos.health.isDegraded).toBe(false);
  hellos.send(1, null).send(5, 1);
  expect(hellos.health.isDegraded).toBe(true);
  hellos.send(40, 1);
  expect(hellos.health.isDegraded).toBe(false);
});

test('degraded begins far above the normal round trip, wherever that is', () => {
  const near = new Hellos().send(100, 1);
  expect(near.send(30, 150).health.isDegraded).toBe(false);
  expect(near.send(30, 400).health.isDegraded).toBe(true);
  expect(near.send(30, 1).health.isDegraded).toBe(false);
  const far = new Hellos().send(100, 300);
  expect(far.send(30, 700).health.isDegraded).toBe(false);
});

test('an answer counts once, and none after the link was gone', () => {
  const health = new LinkHealth();
  health.sent('a', 0);
  expect(health.answered('a', 5)).toBe(true);
  expect(health.answered('a', 6)).toBe(false);
  health.sent('b', 10);
  health.reset();
  expect(health.answered('b', 11)).toBe(false);
  expect(health.rttMs).toBe(5);
});
