/**
 * The one place that reads environment variables: every variable of the bus, checked together, frozen. A daemon or a
 * verb reads them once at its start and hands the values on.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { got, problemsError } from './problem.ts';

const flag = z.stringbool().optional();

/** variable → what it must look like; docs/cli.md lists them */
const schema = z.object({
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'use postgres://user:password@host:port/database')
    .optional(),
  MBUS_DIR: z.string().min(1).optional(),
  MBUS_PROFILE: z.string().min(1).optional(),
  XDG_CONFIG_HOME: z.string().min(1).optional(),
  MBUS_MASTER_KEY_FILE: z.string().min(1).optional(),
  MBUS_MASTER_KEY: z.string().min(1).optional(),
  MBUS_MASTER_KEY_COMMAND: z.string().min(1).optional(),
  MBUS_BACKUP_KEY_FILE: z.string().min(1).optional(),
  MBUS_BACKUP_KEY: z.string().min(1).optional(),
  MBUS_BACKUP_KEY_COMMAND: z.string().min(1).optional(),
  MBUS_TOKEN: z.string().min(1).optional(),
  MBUS_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  MBUS_TRANSIT_MAX_BYTES: z.coerce
    .number()
    .int()
    .min(1024 * 1024)
    .optional(),
  MBUS_DEBUG: flag,
  NATS_SERVER: z.string().min(1).optional(),
});

export interface Env {
  /** PostgreSQL of the control plane; absent: embedded in its directory */
  readonly databaseUrl?: string;
  /** the control plane's directory, when --dir is not given */
  readonly dir?: string;
  /** which profile says so, when neither does; absent: the one in use */
  readonly profile?: string;
  /** where a person's own settings lie */
  readonly configDir: string;
  /** where the master key comes from, when it is not in the control plane's directory */
  readonly masterKey?: { file: string } | { text: string } | { command: string };
  /** where the key of backups comes from */
  readonly backupKey?: { file: string } | { text: string } | { command: string };
  /** enrolment token, when it comes neither from a file nor from stdin */
  readonly token?: string;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** room at this site for what it carries for others, bytes per customer */
  readonly transitMaxBytes?: number;
  /** stack traces on stderr */
  readonly isDebug: boolean;
  /** nats-server binary to use before any other */
  readonly natsServer?: string;
}

const secrets = new Set(['DATABASE_URL', 'MBUS_TOKEN', 'MBUS_MASTER_KEY', 'MBUS_BACKUP_KEY']);
const keys = ['MBUS_MASTER_KEY', 'MBUS_BACKUP_KEY'] as const;

/** Reads and checks all variables; an empty one counts as absent. Throws one E_CONFIG that lists every bad one. */
export function readEnv(source: NodeJS.ProcessEnv = process.env): Env {
  const given = Object.fromEntries(
    Object.keys(schema.shape).map((key) => [key, source[key] === '' ? undefined : source[key]]),
  );
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path: [key], message }) => ({
      line: null,
      path: String(key),
      text: secrets.has(String(key)) ? message : `${message} ${got(given[String(key)])}`,
    }));
    throw problemsError('environment', problems);
  }
  const env = parsed.data;
  for (const key of keys) {
    const named = [`${key}_FILE`, key, `${key}_COMMAND`].filter((name) => env[name as keyof typeof env] !== undefined);
    if (named.length < 2) continue;
    throw problemsError('environment', [{ line: null, path: named.join(', '), text: 'name one of them, not several' }]);
  }
  return Object.freeze({
    databaseUrl: env.DATABASE_URL,
    dir: env.MBUS_DIR,
    profile: env.MBUS_PROFILE,
    configDir: join(env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'mbus'),
    masterKey: keyOf(env, 'MBUS_MASTER_KEY'),
    backupKey: keyOf(env, 'MBUS_BACKUP_KEY'),
    token: env.MBUS_TOKEN,
    logLevel: env.MBUS_LOG_LEVEL,
    transitMaxBytes: env.MBUS_TRANSIT_MAX_BYTES,
    isDebug: env.MBUS_DEBUG === true,
    natsServer: env.NATS_SERVER,
  });
}

function keyOf(env: z.output<typeof schema>, name: (typeof keys)[number]): Env['masterKey'] {
  const [file, text, command] = [env[`${name}_FILE`], env[name], env[`${name}_COMMAND`]];
  if (file !== undefined) return { file };
  if (text !== undefined) return { text };
  return command === undefined ? undefined : { command };
}
