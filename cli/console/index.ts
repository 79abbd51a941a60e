/** The verbs of `mbus console`. */
import type { Command } from 'commander';
import { addLogin } from './login.ts';
import { addLogout } from './logout.ts';

export function register(program: Command): void {
  const page = program
    .command('console')
    .description('the web page of the control plane: let somebody in, put everybody out');
  addLogin(page);
  addLogout(page);
}
