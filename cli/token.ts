/**
 * Enrolment tokens at the command line: printed to stdout or into a file of mode 0600, read from a file, stdin or
 * MBUS_TOKEN. A token is never an argument, because arguments are visible to everybody on the machine.
 */
import { text as streamText } from 'node:stream/consumers';
import { readEnv } from '../src/config/env.ts';
import { type ControlOptions, withControl } from './control-verb.ts';
import { readTextFile, writeSecretFile } from './files.ts';
import { usage } from './options.ts';
import { printResult, talk } from './output.ts';

export interface TokenOption {
  tokenFile?: string;
}

/** Asks for a token of a site, or of one customer's terminal there, and prints it. */
export async function printToken(
  options: ControlOptions,
  request: { site: string; customer?: string },
  out: string | undefined,
): Promise<void> {
  const { token, expiresInMs } = await withControl(options, (control) => control.call('token.create', request));
  talk(`valid for ${Math.round(expiresInMs / 60_000)} minutes, once`);
  if (out === undefined) return printResult(options.json, { token, expiresInMs }, () => token);
  await writeSecretFile(out, `${token}\n`);
  printResult(options.json, { file: out, expiresInMs }, () => out);
}

/** The token of --token-file (`-`: stdin), else of MBUS_TOKEN. */
export async function readToken({ tokenFile }: TokenOption): Promise<string> {
  if (tokenFile === '-') return (await streamText(process.stdin)).trim();
  if (tokenFile !== undefined) return (await readTextFile(tokenFile)).trim();
  const { token } = readEnv();
  if (token === undefined) throw usage('give the token by --token-file FILE, --token-file - or MBUS_TOKEN');
  return token.trim();
}
