/** The verbs of `mbus site`. */
import type { Command } from 'commander';
import { addCreate } from './create.ts';
import { addInstall } from './install.ts';
import { addJoin } from './join.ts';
import { addLs } from './ls.ts';
import { addRevoke } from './revoke.ts';
import { addRm } from './rm.ts';
import { addServer } from './server.ts';
import { addToken } from './token.ts';

export function register(program: Command): void {
  const site = program.command('site').description('a LAN: its nats-server and its sidecar');
  addCreate(site);
  addLs(site);
  addRm(site);
  addRevoke(site);
  addToken(site);
  addJoin(site);
  addInstall(site);
  addServer(site);
}
