/** `mbus topic rotate-key`: a new version of a topic's key seals from now on. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { printResult } from '../output.ts';

export function addRotateKey(topic: Command): void {
  controlVerb(
    topic,
    'rotate-key <customer/topic>',
    'seal under a new version of the key from now on; the old one opens what is under way',
    ['mbus topic rotate-key acme/trade'],
  ).action(rotate);
}

async function rotate(path: string, options: ControlOptions): Promise<void> {
  const { customer, name: topic } = customerName('topic', path);
  const result = await withControl(options, (control) => control.call('key.rotate', { customer, topic }));
  printResult(options.json, { topic: path, ...result }, () => `${path} seals under key version ${result.epoch}`);
}
