/** `mbus console logout`: ends every session of the console, and every login code that is not used yet. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { printResult } from '../output.ts';

export function addLogout(page: Command): void {
  controlVerb(page, 'logout', 'end every session of the console: for a lost phone or a cookie that was stolen', [
    'mbus console logout',
  ]).action(logout);
}

async function logout(options: ControlOptions): Promise<void> {
  const result = await withControl(options, (control) => control.call('console.close', {}));
  printResult(options.json, result, () => `${result.sessions} ${result.sessions === 1 ? 'session' : 'sessions'} ended`);
}
