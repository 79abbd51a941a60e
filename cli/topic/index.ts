/** The verbs of `mbus topic`. */
import type { Command } from 'commander';
import { addCreate } from './create.ts';
import { addDestroyKey } from './destroy-key.ts';
import { addKeys } from './keys.ts';
import { addLs } from './ls.ts';
import { addRm } from './rm.ts';
import { addRotateKey } from './rotate-key.ts';

export function register(program: Command): void {
  const topic = program.command('topic').description('what is sent');
  addCreate(topic);
  addLs(topic);
  addRm(topic);
  addKeys(topic);
  addRotateKey(topic);
  addDestroyKey(topic);
}
