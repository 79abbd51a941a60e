/**
 * Where a control plane serves its console: the same options for the daemon in the foreground and for the unit that runs it.
 */
import type { Command } from 'commander';
import { hostPort, origin, usage } from '../options.ts';

export interface ConsoleOptions {
  console?: string;
  consoleCert?: string;
  consoleKey?: string;
  consoleUrl?: string;
}

interface ConsolePlace {
  /** `host:port` */
  address: string;
  /** origin that browsers use, where a proxy stands before it */
  url: string | undefined;
  /** PEM files */
  tls?: { cert: string; key: string };
}

export function withConsoleOptions(verb: Command): Command {
  return verb
    .option('--console <host:port>', 'serve the console, a web page, there', hostPort)
    .option('--console-cert <file>', 'its certificate with chain, PEM; read again when it changes')
    .option('--console-key <file>', "the certificate's key, PEM")
    .option('--console-url <url>', 'how browsers reach it, where a proxy stands before it', origin);
}

/** Where the console is to be, or undefined. E_USAGE */
export function consoleOf(options: ConsoleOptions): ConsolePlace | undefined {
  const { console: address, consoleCert: cert, consoleKey: key, consoleUrl: url } = options;
  if (address === undefined) {
    if (cert ?? key ?? url) throw usage('--console-cert, --console-key and --console-url go with --console');
    return undefined;
  }
  if ((cert === undefined) !== (key === undefined)) throw usage('--console-cert and --console-key go together');
  return { address, url, ...(cert !== undefined && key !== undefined && { tls: { cert, key } }) };
}
