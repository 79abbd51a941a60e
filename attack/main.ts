/**
 * Every attack of docs/security.md against a living lab with a victim's traffic in it, one line each.
 *
 *   npm run attack -- [--only T1,L3] [--without DEFENCE | --prove] [--messages N] [--json]
 *
 * Talk goes to stderr, the result to stdout. Exit code 0: everything held; 1: something is broken or was not tried; 2: usage.
 * With --without the source is copied without one defence, and the cases that lean on it must come out broken: then 0. With
 * --prove that is done for each defence in turn.
 */
import { parseArgs } from 'node:util';
import { errorText } from '../src/errors.ts';
import { type Attack, defencesOf, type Outcome } from './attack.ts';
import { attacks } from './catalogue.ts';
import { failedText, prove, type Result, type Row, runWithout } from './prove.ts';
import { type DefenceName, defences } from './without.ts';
import { startWorld, type World } from './world.ts';

const usage = `npm run attack -- [--only T1,L3] [--without DEFENCE | --prove] [--messages N] [--json]

cases: ${attacks.map(({ id }) => id).join(', ')}
defences: ${Object.keys(defences).join(', ')}
`;

async function main(): Promise<number> {
  const values = parse();
  if (values === undefined) return 2;
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const { only, without, json } = values;
  if (without !== undefined && !isDefence(without)) {
    process.stderr.write(`no defence ${without}: ${Object.keys(defences).join(', ')}\n`);
    return 2;
  }
  const wanted =
    only?.split(',') ?? attacks.filter((each) => !without || defencesOf(each).includes(without)).map(({ id }) => id);
  const chosen = attacks.filter(({ id }) => wanted.includes(id));
  const unknown = wanted.filter((id) => !attacks.some((attack) => attack.id === id));
  if (unknown.length > 0 || chosen.length === 0) {
    process.stderr.write(`no case ${unknown.join(', ')}: ${attacks.map(({ id }) => id).join(', ')}\n`);
    return 2;
  }
  if (values.prove) return prove(chosen, json);
  if (without !== undefined) return (await runWithout(without, chosen)).isFound ? 0 : 1;
  const result = await run(chosen, Number(values.messages), json);
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  return isHeld(result) ? 0 : 1;
}

/** Undefined, and said why, when an option is not known. */
function parse() {
  try {
    return parseArgs({
      options: {
        only: { type: 'string' },
        without: { type: 'string' },
        prove: { type: 'boolean', default: false },
        messages: { type: 'string', default: '500' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`${errorText(error)}\n\n${usage}`);
    return undefined;
  }
}

function isDefence(name: string): name is DefenceName {
  return Object.hasOwn(defences, name);
}

async function run(chosen: readonly Attack[], messages: number, isQuiet: boolean): Promise<Result> {
  const talk = (line: string): void => void process.stderr.write(`${line}\n`);
  const { world, down } = await startWorld({ messages, progress: talk });
  const interrupted = (): void => void down().finally(() => process.exit(1));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, interrupted);
  const print = isQuiet ? talk : (line: string): void => void process.stdout.write(`${line}\n`);
  try {
    const rows: Row[] = [];
    for (const attack of chosen) {
      const row = await tryOne(world, attack);
      rows.push(row);
      print(`${row.id.padEnd(4)} ${row.result.padEnd(8)} ${row.attempt}: ${row.answer}`);
    }
    const victim = await world.victim.stop();
    print(
      `the victim: ${victim.confirmed} confirmed, ${victim.lost} lost, ${victim.doubled} doubled, ${victim.foreign} foreign`,
    );
    return { rows, victim };
  } finally {
    await down();
  }
}

/** Held means the defence's own verdict and the victim's messages flowing on. */
async function tryOne(world: World, { id, attempt, run: work }: Attack): Promise<Row> {
  const startMs = performance.now();
  const outcome: Outcome | undefined = await work?.(world).catch((error: unknown) => ({
    isHeld: false,
    answer: `${failedText} ${errorText(error)}`,
  }));
  const ms = (): number => Math.round(performance.now() - startMs);
  if (outcome === undefined) return { id, attempt, answer: 'not tried here', result: 'not yet', ms: ms() };
  const flows = await world.victim.flows(30_000);
  const answer = outcome.answer + (flows ? '' : '; the victim’s messages stand still');
  return { id, attempt, answer, result: outcome.isHeld && flows ? 'held' : 'broken', ms: ms() };
}

function isHeld({ rows, victim }: Result): boolean {
  return rows.every(({ result }) => result === 'held') && victim.lost + victim.doubled + victim.foreign === 0;
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${errorText(error)}\n`);
  return 1;
});
