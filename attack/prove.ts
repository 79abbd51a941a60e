/**
 * Shows that the attacks can fail: the same cases against builds of the product without one defence each, in processes of
 * their own. A case that is still held there proves nothing, and neither does one whose attempt itself went wrong.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildBroken } from '../campaign/broken.ts';
import { BusError, errorText } from '../src/errors.ts';
import { type Attack, defencesOf } from './attack.ts';
import type { VictimReport } from './victim.ts';
import { type DefenceName, defences } from './without.ts';

export const failedText = 'the attempt itself failed:';

export interface Row {
  id: string;
  attempt: string;
  answer: string;
  result: 'held' | 'broken' | 'not yet';
  ms: number;
}

export interface Result {
  rows: Row[];
  victim: VictimReport;
}

interface Proof {
  defence: DefenceName;
  /** every case was broken, or the victim harmed */
  isFound: boolean;
  rows: Pick<Row, 'id' | 'answer' | 'result'>[];
  victim: VictimReport;
}

/** Every defence in turn; exit code 0 when each was missed by every case that leans on it. */
export async function prove(chosen: readonly Attack[], isJson: boolean): Promise<number> {
  const names = (Object.keys(defences) as DefenceName[]).filter((name) =>
    chosen.some((each) => defencesOf(each).includes(name)),
  );
  const proofs: Proof[] = [];
  for (const [n, name] of names.entries()) {
    process.stderr.write(`${n + 1} of ${names.length}\n`);
    const cases = chosen.filter((each) => defencesOf(each).includes(name));
    const out = isJson ? process.stderr : process.stdout;
    const first = await provedOnce(name, cases, out);
    // a lab may not come up on a busy machine
    proofs.push(first.isFound ? first : await provedOnce(name, cases, out));
  }
  const noted = chosen.flatMap(noteOf);
  const missed = proofs.filter(({ isFound }) => !isFound).map(({ defence }) => defence);
  if (isJson) process.stdout.write(`${JSON.stringify({ proofs, noted, missed })}\n`);
  else {
    for (const { id, note } of noted) process.stdout.write(`${id.padEnd(4)} no build without it: ${note}\n`);
    process.stdout.write(`${proofs.length} defences taken out, ${proofs.length - missed.length} found missing\n`);
  }
  return missed.length === 0 ? 0 : 1;
}

/** As runWithout; a run that came to no end has found nothing. */
async function provedOnce(name: DefenceName, cases: readonly Attack[], out: NodeJS.WritableStream): Promise<Proof> {
  return runWithout(name, cases, out).catch((error: unknown) => {
    out.write(`without ${name}: NOT found, ${errorText(error)}\n`);
    const victim = { confirmed: 0, lost: 0, doubled: 0, foreign: 0 };
    return { defence: name, isFound: false, rows: [], victim };
  });
}

function noteOf({ id, defence }: Attack): { id: string; note: string }[] {
  return typeof defence === 'object' && 'note' in defence ? [{ id, note: defence.note }] : [];
}

/** The cases against a build without the defence. E_INTERNAL when that run comes to no end. */
export async function runWithout(
  name: DefenceName,
  cases: readonly Attack[],
  out: NodeJS.WritableStream = process.stdout,
): Promise<Proof> {
  const dir = await mkdtemp(join(tmpdir(), 'mbus-without-'));
  try {
    process.stderr.write(`without ${name}: ${defences[name].what}\n`);
    await buildBroken(dir, defences[name]);
    const ids = cases.map(({ id }) => id).join(',');
    const { rows, victim } = await childResult([join(dir, 'attack/main.ts'), '--only', ids, '--json']);
    const isHarmed = victim.lost + victim.doubled + victim.foreign > 0;
    const missed = rows.filter(
      ({ result, answer }) => !isHarmed && (result !== 'broken' || answer.startsWith(failedText)),
    );
    for (const { id, result, answer } of rows) out.write(`${id.padEnd(4)} ${result.padEnd(8)} ${answer}\n`);
    if (isHarmed) out.write(`the victim: ${victim.lost} lost, ${victim.doubled} doubled, ${victim.foreign} foreign\n`);
    const told = missed.length === 0 ? 'found, as it must be' : `NOT found by ${missed.map(({ id }) => id).join(', ')}`;
    out.write(`without ${name}: ${told}\n`);
    return { defence: name, isFound: missed.length === 0, rows, victim };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** What a run in a process of its own printed; a run that could not start is an error, not a broken case. */
async function childResult(args: string[]): Promise<Result> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => {
    text += bytes.toString('utf8');
  });
  await new Promise((resolve) => child.once('close', resolve));
  if (text === '') throw new BusError('E_INTERNAL', 'the run without the defence did not come to an end');
  return JSON.parse(text) as Result;
}
