/** The fields of a group as options of `group create` and `group set`. */
import { type Command, Option } from 'commander';
import type { GroupSpec } from '../../src/config/bus-file.ts';
import { wholeNumber } from '../options.ts';

export type GroupFields = Partial<Omit<GroupSpec, 'name' | 'terminals'>>;

export function withGroupFields(verb: Command): Command {
  return verb
    .addOption(
      new Option('--policy <policy>', 'which terminal serves a far origin').choices(['nearest', 'spread', 'ordered']),
    )
    .option('--max-bytes <n>', "quota of the group's stream at each terminal (default: 1 GiB)", wholeNumber(1))
    .addOption(new Option('--on-full <what>', 'when it is full').choices(['refuse', 'dropOldest']))
    .option('--ack-wait-ms <n>', 'delivered again when not acknowledged by then (default: 30000)', wholeNumber(1))
    .option('--max-deliver <n>', 'deliveries before a message is put aside; -1: no limit (default)', wholeNumber(-1))
    .option('--max-ack-pending <n>', 'messages under way to consumers (default: 10000)', wholeNumber(1))
    .option(
      '--failover-after-ms <n>',
      'without consumers for this long: new messages go elsewhere (default: 5000)',
      wholeNumber(1),
    )
    .addOption(
      new Option('--on-terminal-loss <what>', 'what was sent to a terminal that stays away').choices([
        'wait',
        'reassign',
      ]),
    )
    .option('--reassign-after-ms <n>', 'reassign: how long it may stay away (default: 3600000)', wholeNumber(1));
}
