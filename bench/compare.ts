/** The budget guard: no ratio may fall by more than 15 % against a run that was kept. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { BusError, errorText } from '../src/errors.ts';
import type { Row } from './rows.ts';

const mayFall = 0.15;
const baselineSchema = z.object({
  rows: z.array(z.object({ work: z.string(), peer: z.string(), ratio: z.number().nullable() })),
});

/** One line for each ratio that fell too far. E_CONFIG when the file is no run of the bench. */
export async function fallsAgainst(path: string, rows: readonly Row[]): Promise<string[]> {
  const { rows: kept } = await readBaseline(path);
  return kept.flatMap(({ work, peer, ratio: before }) => {
    const now = rows.find((each) => each.work === work && each.peer === peer)?.ratio ?? null;
    if (before === null || now === null || now >= before * (1 - mayFall)) return [];
    return [`${work}, ${peer}: ${now.toFixed(2)}, was ${before.toFixed(2)}`];
  });
}

async function readBaseline(path: string): Promise<z.output<typeof baselineSchema>> {
  try {
    return baselineSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new BusError('E_CONFIG', `${path}: no run of the bench: ${errorText(cause)}`, { cause });
  }
}
