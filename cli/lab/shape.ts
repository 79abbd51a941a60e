/** `mbus lab shape`: delay, jitter and rate of one link. */
import { type Command, InvalidArgumentError } from 'commander';
import { jsonOption, usage } from '../options.ts';
import { printResult } from '../output.ts';
import { type LabOptions, labDirOption, linkRef, linkText, linkWords, linkWordsHelp } from './options.ts';

interface ShapeOptions extends LabOptions {
  delayMs?: number;
  mbit?: number;
  jitterMs?: number;
}

export function addShape(lab: Command): void {
  lab
    .command('shape')
    .description('delay and throttle a link, each way; what is not named is unlimited')
    .argument(linkWords, linkWordsHelp)
    .addOption(labDirOption())
    .option('--delay-ms <ms>', 'one way', number(0, 60_000))
    .option('--mbit <mbit>', 'megabits per second each way', number(0.001, 100_000))
    .option('--jitter-ms <ms>', 'added at random on top of the delay', number(0, 60_000))
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action(shape);
}

const examples = `
Examples:
  $ mbus lab shape --dir ./lab acme tokyo frankfurt --delay-ms 50 --mbit 20
  $ mbus lab restore --dir ./lab acme tokyo frankfurt`;

async function shape(words: string[], { dir, json, ...wanted }: ShapeOptions): Promise<void> {
  const link = linkRef(words);
  if (Object.values(wanted).every((value) => value === undefined)) {
    throw usage('say what to shape: --delay-ms, --mbit or --jitter-ms');
  }
  const { labShape } = await import('../../src/lab/index.ts');
  const stats = await labShape(dir, link, wanted);
  const { delayMs, mbit, jitterMs } = stats.shape;
  printResult(json, stats, () => {
    const rate = mbit === null ? 'no limit of rate' : `${mbit} Mbit/s`;
    return `${linkText(link)} has ${delayMs} ms one way, ${jitterMs} ms jitter, ${rate}`;
  });
}

function number(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(`Use a number from ${min} to ${max}.`);
    }
    return value;
  };
}
