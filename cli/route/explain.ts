/**
 * `mbus route explain`: the path between two terminals, from a bus file's costs alone, with no bus running, or with --live
 * from what the living bus measures now.
 */
import type { Command } from 'commander';
import { checkName, printable } from '../../src/config/names.ts';
import type { RouteAnswer, RouteQuestion } from '../../src/routing/explain.ts';
import { exampleText, withControl } from '../control-verb.ts';
import { readTextFile } from '../files.ts';
import { collect, controlDirOption, type DirOption, type JsonOption, jsonOption, usage } from '../options.ts';
import { printResult } from '../output.ts';
import { assignedSite, type LivingBus, livingBus } from './living.ts';

interface ExplainOptions extends JsonOption, DirOption {
  file?: string;
  live?: boolean;
  customer: string;
  from: string;
  to?: string;
  group?: string;
  down?: string[];
}

export function addExplain(route: Command): void {
  route
    .command('explain')
    .description("the path a message takes, from a file's costs alone or from the living bus")
    .option('-f, --file <file>', 'the bus file')
    .option('--live', 'instead: the bus as it is now, with measured costs and links that are down')
    .addOption(controlDirOption())
    .requiredOption('--customer <name>', 'whose terminals and links')
    .requiredOption('--from <site>', 'where the message is published')
    .option('--to <site>', 'where it has to go')
    .option('--group <topic@group>', 'or: the group that must receive it; its policy chooses the terminal')
    .option('--down <a-b>', 'take this link as down; may be repeated', collect)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      exampleText([
        'mbus route explain -f bus.yaml --customer acme --from tokyo --to virginia',
        'mbus route explain -f bus.yaml --customer acme --from tokyo --to virginia --down tokyo-frankfurt --json',
        'mbus route explain -f bus.yaml --customer acme --from tokyo --group trade@archive',
        'mbus route explain --live --dir ./lab --customer acme --from tokyo --to virginia',
      ]),
    )
    .action(explain);
}

async function explain({ file, live = false, down = [], json, ...asked }: ExplainOptions): Promise<void> {
  if (live === (file !== undefined)) throw usage('give either --file or --live');
  const { explainRoute } = await import('../../src/routing/explain.ts');
  const known = file === undefined ? await readLiving(asked, down) : await readDeclared(file);
  const sites = known.bus.sites.map(({ name }) => name);
  const question = {
    customer: asked.customer,
    from: asked.from,
    to: known.assigned === null ? destination(asked.to, asked.group) : { terminal: known.assigned },
    down: [...known.down, ...down.map((text) => linkEnds(text, sites))],
  };
  const answer = explainRoute(known.bus, question);
  const shown = known.assigned === null ? answer : { ...answer, terminal: known.assigned };
  printResult(json, shown, () => answerText(shown));
}

interface Known extends LivingBus {
  /** site that serves the group now, when that is asked and known */
  assigned: string | null;
}

async function readDeclared(file: string): Promise<Known> {
  const { parseBusFile } = await import('../../src/config/parse.ts');
  return { bus: parseBusFile(await readTextFile(file), file), down: [], assigned: null };
}

/** Who serves a group is told by its origin, unless the question takes more links as down. */
async function readLiving(
  { customer, from, to, group, dir }: Pick<ExplainOptions, 'customer' | 'from' | 'to' | 'group' | 'dir'>,
  down: readonly string[],
): Promise<Known> {
  return withControl(dir === undefined ? {} : { dir }, async (control) => {
    const { file } = await control.call('bus.export', {});
    const status = await control.call('bus.status', {});
    const isAsked = group !== undefined && to === undefined && down.length === 0;
    const assigned = isAsked ? assignedSite(status, from, `${customer}/${group}`) : null;
    return { ...livingBus(file, status, customer), assigned };
  });
}

function destination(to: string | undefined, group: string | undefined): RouteQuestion['to'] {
  if (to !== undefined && group === undefined) return { terminal: to };
  const [topic = '', name = '', ...rest] = (group ?? '').split('@');
  if (to !== undefined || group === undefined) throw usage('give either --to or --group');
  if (rest.length > 0) throw usage(`use topic@group (got ${printable(group)})`);
  return { topic: checkName('topic', topic), group: checkName('group', name) };
}

/** `a-b`; names may hold `-` themselves, so the split is where both halves are sites. */
function linkEnds(text: string, sites: readonly string[]): [string, string] {
  for (let at = text.indexOf('-'); at !== -1; at = text.indexOf('-', at + 1)) {
    const [a, b] = [text.slice(0, at), text.slice(at + 1)];
    if (sites.includes(a) && sites.includes(b)) return [a, b];
  }
  throw usage(`use a-b, two sites of the file, for a link that is down (got ${printable(text)})`);
}

function answerText({ path, cost, terminal }: RouteAnswer): string {
  if (path === null) return 'no path';
  const chosen = terminal == null ? '' : `, served by ${terminal}`;
  return `${path.join(' -> ')}  (cost ${cost}${chosen})`;
}
