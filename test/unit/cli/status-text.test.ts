import { expect, test } from 'vitest';
import { statusText } from '../../../cli/status-text.ts';
import { stuckThings } from '../../../src/status/index.ts';
import { busOf, ids } from '../status/reports.ts';

test('what is stuck stands first, in one line each', () => {
  const nobody = { groupId: ids.risk, pending: 12, consumers: 0 };
  const status = busOf({ frankfurt: { groups: [nobody] } });
  const [, second] = statusText(status, stuckThings(status, Date.now())).split('\n\n');
  expect(second).toBe('stuck\n  acme/trade@risk: 12 waiting at frankfurt: no consumers');
});

test('says when nothing is', () => {
  expect(statusText(busOf(), [])).toContain('nothing is stuck');
});

test('the first line says where the consoles are', () => {
  const replicas = [
    { id: 'a', ageMs: 10, consoleUrl: null },
    { id: 'b', ageMs: 10, consoleUrl: 'https://bus.example.net:8443' },
  ];
  const lines = statusText({ ...busOf(), replicas }, []).split('\n');
  expect(lines[0]).toMatch(/, 2 control replicas, console https:\/\/bus\.example\.net:8443$/);
});
