/** `mbus route explain`: the path between two terminals from a bus file's costs alone; no bus needs to run. */
import type { Command } from 'commander';
import { checkName, printable } from '../../src/config/names.ts';
import type { RouteAnswer, RouteQuestion } from '../../src/routing/explain.ts';
import { exampleText } from '../control-verb.ts';
import { readTextFile } from '../files.ts';
import { collect, type JsonOption, jsonOption, usage } from '../options.ts';
import { printResult } from '../output.ts';

interface ExplainOptions extends JsonOption {
  file: string;
  customer: string;
  from: string;
  to?: string;
  group?: string;
  down?: string[];
}

export function addExplain(route: Command): void {
  route
    .command('explain')
    .description("the path a message takes, from the file's costs alone")
    .requiredOption('-f, --file <file>', 'the bus file')
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
      ]),
    )
    .action(explain);
}

async function explain({ file, customer, from, to, group, down = [], json }: ExplainOptions): Promise<void> {
  const { parseBusFile } = await import('../../src/config/parse.ts');
  const { explainRoute } = await import('../../src/routing/explain.ts');
  const bus = parseBusFile(await readTextFile(file), file);
  const sites = bus.sites.map(({ name }) => name);
  const answer = explainRoute(bus, {
    customer,
    from,
    to: destination(to, group),
    down: down.map((text) => linkEnds(text, sites)),
  });
  printResult(json, answer, () => answerText(answer));
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
