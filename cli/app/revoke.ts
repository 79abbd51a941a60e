/** `mbus app revoke` and `renew`: an application's credential is worth nothing any more; renew makes a new one. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { printResult } from '../output.ts';

export function addRevoke(app: Command): void {
  controlVerb(
    app,
    'revoke <customer/app>',
    'let an application in no more: its connections are closed, its credential is worth nothing',
    ['mbus app revoke acme/exchange'],
  ).action((path: string, options: ControlOptions) => change(path, false, options));
  controlVerb(
    app,
    'renew <customer/app>',
    'make a new credential for an application; the one before is worth nothing. Its site writes the new .creds file',
    ['mbus app renew acme/exchange'],
  ).action((path: string, options: ControlOptions) => change(path, true, options));
}

async function change(path: string, isRenewed: boolean, options: ControlOptions): Promise<void> {
  const { customer, name: app } = customerName('app', path);
  const request = { customer, app, isRenewed };
  const result = await withControl(options, (control) => control.call('app.revoke', request));
  printResult(options.json, { app: path, ...result }, () =>
    isRenewed ? `${path} has a new credential; take it with mbus app creds` : `app ${path} is revoked`,
  );
}
