/**
 *   app publish ─▶ tokyo ════ frankfurt ─▶ app consume        each language of examples/, with URL and credential alone
 *
 * A language whose tools or client this machine lacks is skipped, and says so.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useBus } from '../../support/bus.ts';

const run = promisify(execFile);
const example = (path: string): string => fileURLToPath(new URL(`../../../examples/${path}`, import.meta.url));

let built: string;
beforeAll(async () => {
  built = await mkdtemp(join(tmpdir(), 'mbus-examples-'));
});
afterAll(() => rm(built, { recursive: true, force: true }));

interface Language {
  name: string;
  /** succeeds where the tools and the client are there */
  check: [string, ...string[]];
  build?: () => Promise<unknown>;
  command: () => [string, ...string[]];
}

const goPath = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode' };
const languages: Language[] = [
  {
    name: 'typescript',
    check: [process.execPath, '--version'],
    command: () => [process.execPath, example('typescript/app.ts')],
  },
  {
    name: 'go',
    check: ['sh', '-c', 'go version && test -d /usr/share/gocode/src/github.com/nats-io/nats.go'],
    build: () => run('go', ['build', '-o', join(built, 'go'), example('go/app.go')], { env: goPath }),
    command: () => [join(built, 'go')],
  },
  {
    name: 'c',
    check: ['sh', '-c', 'cc --version && test -f /usr/include/nats/nats.h'],
    build: () => run('cc', ['-Wall', '-Wextra', '-Werror', '-o', join(built, 'c'), example('c/app.c'), '-lnats']),
    command: () => [join(built, 'c')],
  },
  {
    name: 'python',
    check: ['python3', '-c', 'import nats, nkeys'],
    command: () => ['python3', example('python/app.py')],
  },
];

function isHere([command, ...args]: Language['check']): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const customer = (name: string, isolateApps: boolean): string => `
  - name: ${name}
    isolateApps: ${isolateApps}
    terminals: [tokyo, frankfurt]
    links: [{between: [tokyo, frankfurt]}]
    topics: [{name: trade, groups: [{name: risk, terminals: [frankfurt]}]}]
    apps:
      - {name: exchange, terminal: tokyo,     publish: [trade]}
      - {name: risk,     terminal: frankfurt, consume: [trade@risk]}`;

const lab = useBus(`
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
customers:${customer('acme', false)}${customer('apart', true)}
`);

describe.each(languages)('examples/$name', ({ name, check, build, command }) => {
  const there = isHere(check);
  if (!there) process.stdout.write(`examples/${name}: skipped, its tools or its NATS client are not here\n`);

  test.skipIf(!there).each(['acme', 'apart'])(
    'publishes in tokyo, consumes and acknowledges in frankfurt, for %s',
    {
      timeout: 180_000,
    },
    async (owner) => {
      await build?.();
      const [program, ...first] = command();
      const app = async (mode: string, who: string, ...rest: string[]): Promise<string> => {
        const { nats = '', creds = '' } = lab().info.apps[who] ?? {};
        const { stdout } = await run(program, [...first, mode, nats, creds, ...rest], { timeout: 90_000 });
        return stdout;
      };
      for (const n of [1, 2]) {
        expect(await app('publish', `${owner}/exchange`, `trade.${name}`, `number ${n}`)).toMatch(
          /^stored as trade \d+$/m,
        );
      }
      // acknowledged ones do not come again: the next language finds only its own
      expect(await app('consume', `${owner}/risk`, 'trade', 'risk', '2')).toBe(
        `trade.${name} number 1\ntrade.${name} number 2\n`,
      );
    },
  );
});
