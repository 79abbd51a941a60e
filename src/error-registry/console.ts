/** Error codes of the console. Part of the registry in errors.ts. */
import type { ErrorEntry } from '../errors.ts';

export const consoleErrors = {
  E_CONSOLE_OFF: {
    disposition: 'park',
    summary: 'No replica of the control plane serves the console.',
    remedy: 'Start one with mbus control run --console host:port.',
  },
  E_CONSOLE_LOGIN: {
    disposition: 'reject',
    summary: 'The browser is not logged in to the console, or its login code is wrong, used or expired.',
    remedy: 'Run mbus console login and open the address it prints; a code works once, for five minutes.',
  },
  E_CONSOLE_FOREIGN: {
    disposition: 'reject',
    summary:
      "A request to the console came from another site's page, or has a form that the console's page never sends.",
    remedy: 'Open the console at the address that mbus console login prints.',
  },
  E_CONSOLE_BUSY: {
    disposition: 'retry',
    summary: 'The console has too many open pages, or too many wrong login codes came from that address.',
    remedy: 'Wait a minute, close pages that nobody looks at, and try again.',
  },
  E_CONSOLE_TLS: {
    disposition: 'fatal',
    summary: 'The console may not be served like this: others could read along, or its certificate cannot be used.',
    remedy:
      'Give --console-cert and --console-key, listen on 127.0.0.1, or name the address of the TLS proxy with --console-url.',
  },
} as const satisfies Record<string, ErrorEntry>;
