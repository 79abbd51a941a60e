/** `mbus topic destroy-key`: ends an old version of a topic's key; what it sealed stays closed. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { usage } from '../options.ts';
import { printResult } from '../output.ts';

interface DestroyOptions extends ControlOptions {
  force?: boolean;
}

export function addDestroyKey(topic: Command): void {
  controlVerb(
    topic,
    'destroy-key <customer/topic> <version>',
    'destroy an old version of the key; refused, with the count it would strand, until its grace is over',
    ['mbus topic destroy-key acme/trade 3', 'mbus topic destroy-key acme/trade 3 --force'],
  )
    .option('--force', 'destroy it before its grace is over: envelopes under way that it sealed never open')
    .action(destroy);
}

async function destroy(path: string, version: string, { force = false, ...options }: DestroyOptions): Promise<void> {
  const { customer, name: topic } = customerName('topic', path);
  if (!/^[1-9]\d{0,8}$/.test(version)) throw usage(`use the number of a version (got ${JSON.stringify(version)})`);
  const epoch = Number(version);
  const result = await withControl(options, (control) =>
    control.call('key.destroy', { customer, topic, epoch, force }),
  );
  printResult(options.json, { topic: path, epoch, ...result }, () =>
    result.stranded === 0
      ? `key version ${epoch} of ${path} is destroyed`
      : `key version ${epoch} of ${path} is destroyed; up to ${result.stranded} messages sealed under it stay closed where they are under way, and their origin sends them again while it still has them`,
  );
}
