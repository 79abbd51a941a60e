/**
 * Structured logs: JSON lines on stderr, one stable `event` name per line (`<part>.<what>`), nouns as fields.
 * Secrets never reach a log call; the redaction below is the second net, not the first.
 */
import { destination, type Logger as PinoLogger, pino } from 'pino';

export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error' | 'fatal'> & {
  child(bindings: Record<string, unknown>): Logger;
};

const secretFields = ['seed', 'password', 'securekey', 'token', 'creds', 'master', 'secret'];

/** A daemon's root logger. `level` is pino's: debug, info, warn, error, silent. */
export function createLogger(name: string, level = 'info'): Logger {
  return pino(
    {
      name,
      level,
      base: { name, pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`]), censor: '[redacted]' },
    },
    destination({ dest: 2, sync: true }),
  );
}

/** Says nothing: for tests and for one-shot commands. */
export const silentLogger: Logger = pino({ level: 'silent' });
