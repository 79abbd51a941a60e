/** The verbs of `mbus lab`. */
import type { Command } from 'commander';
import { addClock } from './clock.ts';
import { addDaemon } from './daemon.ts';
import { addDown } from './down.ts';
import { addKill, addPause, addResume, addStart } from './kill.ts';
import { addCut, addRestore, addSilence } from './link.ts';
import { addLinks } from './links.ts';
import { addShape } from './shape.ts';
import { addStatus } from './status.ts';
import { addUp } from './up.ts';

export function register(program: Command): void {
  const lab = program
    .command('lab')
    .description('a whole bus on this machine, every link through a proxy that can be spoiled');
  for (const add of [
    addUp,
    addStatus,
    addLinks,
    addCut,
    addSilence,
    addRestore,
    addShape,
    addClock,
    addKill,
    addStart,
    addPause,
    addResume,
    addDown,
  ]) {
    add(lab);
  }
  addDaemon(lab);
}
