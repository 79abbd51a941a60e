/** `mbus console login`: an address of the console that logs in whoever opens it first. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { printResult } from '../output.ts';

export function addLogin(page: Command): void {
  controlVerb(page, 'login', 'print an address that logs a browser in: it works once, for five minutes', [
    'mbus console login',
    'mbus console login --dir ./lab',
    "mbus console login --json | jq -r '.links[0]'",
  ]).action(login);
}

async function login(options: ControlOptions): Promise<void> {
  const { code, urls, expiresInMs } = await withControl(options, (control) => control.call('console.code', {}));
  // behind the # it stays in the browser: no proxy and no log sees it
  const links = urls.map((url) => `${url}/#code=${code}`);
  const text = (): string =>
    [...links, `or type the code  ${code}`, `it works once, for ${expiresInMs / 60_000} minutes`].join('\n');
  printResult(options.json, { links, code, expiresInMs }, text);
}
