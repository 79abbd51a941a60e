import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { exampleBus } from '../../support/bus-file.ts';
import { mbus, mbusHere, mbusJsonHere } from '../../support/cli.ts';

let dir: string;
let file: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mbus-cli-'));
  file = join(dir, 'bus.yaml');
  await writeFile(file, exampleBus);
});

afterEach(() => void vi.unstubAllEnvs());
afterAll(() => rm(dir, { recursive: true }));

const explain = ['route', 'explain', '--customer', 'acme', '--from', 'tokyo', '-f'];

test('wrong usage ends a process with 2', async () => {
  const { code, stdout, stderr } = await mbus(['bogus']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^mbus: E_USAGE: /);
});

test('help goes to stdout and ends 0', async () => {
  const { code, stdout, stderr } = await mbus(['--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^Usage: mbus/);
  expect(stdout).toContain('apply');
});

test.each([
  ['an unknown noun', ['bogus']],
  ['an unknown option', ['status', '--bogus']],
  ['a missing argument', ['topic', 'create']],
  ['a missing option', ['route', 'explain']],
  ['an option out of bounds', ['audit', 'ls', '--limit', '0']],
  ['an option over its bounds', ['audit', 'ls', '--limit', '1001']],
  ['a choice that is none', ['site', 'create', 'x', '--mode', 'guest']],
  ['a host without a port', ['init', '--listen', 'localhost']],
  ['a noun without its customer', ['topic', 'create', 'trade']],
  ['neither server nor directory', ['pub', 'trade', 'x']],
  ['a subject with wildcards', ['pub', 'trade.>', 'x', '--server', 'nats://127.0.0.1:1', '--creds', 'x']],
  [
    'a header that is none',
    ['pub', 'trade', 'x', '--header', 'x\r\ny', '--server', 'nats://127.0.0.1:1', '--creds', 'x'],
  ],
])('%s is E_USAGE: exit 2, nothing on stdout, no stack', async (_, args) => {
  const { code, stdout, stderr } = await mbusHere(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^mbus: E_USAGE: .+\n {2}Run the command with --help\.\n$/s);
});

// T8 at the command line; parse.test.ts has the whole list
test.each(['a.>', 'x\r\nPUB a 1\r\n1', 'r\u202el', 'x'.repeat(10_000)].map((name) => [name.slice(0, 20), name]))(
  'a name like %j is E_NAME',
  async (_, name) => {
    const results = await Promise.all([
      mbusHere(['topic', 'create', `acme/${name}`]),
      mbusHere(['sub', `trade@${name}`, '--server', 'nats://127.0.0.1:1', '--creds', 'x']),
    ]);
    for (const { code, stdout, stderr } of results) {
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^mbus: E_NAME: /);
      expect(stderr).not.toMatch(/[\r\u202e]|x{100}/);
    }
  },
);

test('a bad bus file is E_CONFIG: exit 2, a line per problem', async () => {
  const bad = join(dir, 'bad.yaml');
  await writeFile(bad, exampleBus.replace('cost: 1', 'cost: 0').replace('publish: [trade]', 'publish: [bonds]'));
  const { code, stdout, stderr } = await mbusHere([...explain, bad, '--to', 'virginia', '--json']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr.split('\n').slice(0, 3)).toEqual([
    'mbus: E_CONFIG: 2 problems',
    `${bad}:9: customers[0].links[0].cost: must be at least 1 (got 0)`,
    `${bad}:17: customers[0].apps[0].publish[0]: customer "acme" has no topic "bonds"`,
  ]);
});

test('a file that is not there is E_FILE: exit 1', async () => {
  const { code, stderr } = await mbusHere([...explain, join(dir, 'none.yaml'), '--to', 'virginia']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^mbus: E_FILE: cannot read .*none\.yaml/);
});

test('a directory without a control plane is E_CONTROL_DIR: exit 1; MBUS_DEBUG shows the stack', async () => {
  const plain = await mbusHere(['status', '--dir', dir]);
  expect(plain.code).toBe(1);
  expect(plain.stderr).toMatch(/^mbus: E_CONTROL_DIR: /);
  expect(plain.stderr).not.toContain('    at ');
  vi.stubEnv('MBUS_DEBUG', '1');
  expect((await mbusHere(['status', '--dir', dir])).stderr).toContain('    at ');
});

test('bad variables are told together', async () => {
  vi.stubEnv('MBUS_LOG_LEVEL', 'loud').stubEnv('DATABASE_URL', 'x');
  const { code, stderr } = await mbusHere(['control', 'run', '--dir', dir]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/E_CONFIG: 2 problems\nenvironment: DATABASE_URL.*\nenvironment: MBUS_LOG_LEVEL.*"loud"/);
});

test('a token is read from stdin, file or MBUS_TOKEN, and a bad one is told without showing it', async () => {
  const tokenFile = join(dir, 'token');
  await writeFile(tokenFile, 'sesame');
  const join_ = ['site', 'join', '--dir', join(dir, 'site')];
  const results = [
    await mbus([...join_, '--token-file', '-'], { input: 'sesame\n' }),
    await mbusHere([...join_, '--token-file', tokenFile]),
  ];
  expect((await mbusHere(join_)).stderr).toMatch(/^mbus: E_USAGE: give the token by/);
  vi.stubEnv('MBUS_TOKEN', 'sesame');
  results.push(await mbusHere(join_));
  for (const result of results) {
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^mbus: E_TOKEN_BAD/);
    expect(result.stderr).not.toContain('sesame');
  }
});

test('route explain answers from the file alone', async () => {
  const to = ['--to', 'virginia'];
  expect(await mbusJsonHere([...explain, file, ...to])).toEqual({
    path: ['tokyo', 'frankfurt', 'virginia'],
    cost: 2,
    nextHop: 'frankfurt',
  });
  expect(await mbusJsonHere([...explain, file, ...to, '--down', 'frankfurt-tokyo'])).toEqual({
    path: null,
    cost: null,
    nextHop: null,
  });
  expect(await mbusJsonHere([...explain, file, '--group', 'trade@archive'])).toMatchObject({
    terminal: 'virginia',
    cost: 2,
  });
  expect((await mbusHere([...explain, file, ...to])).stdout).toBe('tokyo -> frankfurt -> virginia  (cost 2)\n');
});
