/** `mbus lab clock`: sets the key service's clock ahead, so that tickets end and days pass. */
import { type Command, InvalidArgumentError } from 'commander';
import { jsonOption } from '../options.ts';
import { printResult } from '../output.ts';
import { type LabOptions, labDirOption } from './options.ts';

const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export function addClock(lab: Command): void {
  lab
    .command('clock')
    .description("set the key service's clock ahead of the real time: tickets end, versions grow old")
    .argument('<ahead>', 'seconds, minutes, hours or days: 90s, 6m, 3h, 8d; 0s for the real time', duration)
    .addOption(labDirOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ mbus lab clock --dir ./lab 6m\n  $ mbus lab clock --dir ./lab 8d')
    .action(set);
}

async function set(aheadMs: number, { dir, json }: LabOptions): Promise<void> {
  const { labClock } = await import('../../src/lab/index.ts');
  await labClock(dir, aheadMs);
  printResult(json, { aheadMs }, () => `the key service is ${aheadMs / 1000} s ahead`);
}

function duration(text: string): number {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError('Use a number and s, m, h or d.');
  return Number(number) * units[unit as keyof typeof units];
}
