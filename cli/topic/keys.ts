/** `mbus topic keys`: the versions of a topic's key and when each comes and goes. */
import type { Command } from 'commander';
import type { ResponseOf } from '../../src/api/methods.ts';
import { durationText } from '../../src/status/index.ts';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { printResult, table } from '../output.ts';

type Keys = ResponseOf<'key.versions'>;

export function addKeys(topic: Command): void {
  controlVerb(topic, 'keys <customer/topic>', "list the versions of a topic's key, newest first", [
    'mbus topic keys acme/trade',
    'mbus topic keys acme/trade --json',
  ]).action(keys);
}

async function keys(path: string, options: ControlOptions): Promise<void> {
  const { customer, name: topic } = customerName('topic', path);
  const result = await withControl(options, (control) => control.call('key.versions', { customer, topic }));
  printResult(options.json, { topic: path, ...result }, () => keysText(result));
}

function keysText({ versions, rules }: Keys): string {
  const rows = versions.map((version) => [
    String(version.epoch),
    version.state,
    version.createdAt,
    String(version.sealed),
    String(version.underWay),
    String(version.liveTickets),
    version.destroyedAt ?? (version.destroyDueAt === null ? '-' : `due ${version.destroyDueAt}`),
  ]);
  const head = ['VERSION', 'STATE', 'CREATED', 'SEALED', 'UNDER WAY AT MOST', 'LIVE TICKETS', 'DESTROYED'];
  const { rotateAfterMs, rotateAfterMessages, destroyAfterMs } = rules;
  const text = `a new version after ${durationText(rotateAfterMs)} or ${rotateAfterMessages} messages; destroyed ${durationText(destroyAfterMs)} after it was replaced`;
  return versions.length === 0
    ? `no key yet: the first ticket makes one\n\n${text}`
    : `${table([head, ...rows])}\n\n${text}`;
}
