/**
 *   exchange ─▶ tokyo ════ frankfurt ─▶ risk, mender        one lab for the pages that need a bus that runs
 *                              ║
 *                          virginia
 *
 * The commands and programs of the README and of docs/, as they stand; only names of directories, nouns and addresses are
 * those of the lab.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jetstream } from '@nats-io/jetstream';
import { expect, test, vi } from 'vitest';
import { Ledger, publishSome, useBus } from '../../support/bus.ts';
import { pastedBlocks } from '../../support/doc-blocks.ts';
import { useDesk } from '../../support/paste.ts';
import { until } from '../../support/tcp.ts';

const lab = useBus(`
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
  - {name: virginia,  mode: client}
customers:
  - name: acme
    terminals: [tokyo, frankfurt, virginia]
    links:
      - {between: [tokyo, frankfurt]}
      - {between: [virginia, frankfurt]}
    topics:
      - name: trade
        groups:
          - {name: risk, terminals: [frankfurt], maxDeliver: 2, ackWaitMs: 1000}
    apps:
      - {name: exchange, terminal: tokyo,     publish: [trade]}
      - {name: both,     terminal: frankfurt, publish: [trade], consume: [trade@risk]}
      - {name: mender,   terminal: frankfurt, deadLetters: [trade@risk]}
`);
const desk = useDesk();
vi.setConfig({ testTimeout: 300_000 });
const root = fileURLToPath(new URL('../../../', import.meta.url));

async function pasteAll(script: string, env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await desk().paste(script, env);
  expect(`${code} ${stderr} ${stdout}`).toMatch(/^0 /);
  return stdout;
}

test('README.md and docs/lab.md: a lab, a message, its end', async () => {
  await symlink(join(root, 'examples'), join(desk().root, 'examples'));
  const readme = await pasteAll(pastedBlocks('README.md').join('\n'));
  expect(readme).toContain('{"price":100}');
  expect(readme).toMatch(/^bus .*, version \d+/m);
  const page = pastedBlocks('docs/lab.md').join('\n').replaceAll('bus.yaml', 'examples/bus.yaml');
  expect(await pasteAll(page)).toMatch(/stopped \d+ processes/);
});

/** Runs a program of a page until it prints what it should. */
async function untilPrints(program: string, app: string, wanted: RegExp): Promise<void> {
  const { nats = '', creds = '' } = lab().info.apps[app] ?? {};
  const dir = await mkdtemp(join(tmpdir(), 'mbus-page-'));
  await symlink(join(root, 'node_modules'), join(dir, 'node_modules'));
  const text = program.replaceAll('nats://127.0.0.1:4222', nats).replaceAll('exchange.creds', creds);
  await writeFile(join(dir, 'program.ts'), text);
  const child = spawn(process.execPath, [join(dir, 'program.ts')], { cwd: dir });
  let out = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      out += part;
    });
  try {
    await until('the program prints it', () => wanted.test(out) || child.exitCode !== null, 60_000).catch(() => {});
    expect(out).toMatch(wanted);
  } finally {
    if (child.exitCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(dir, { recursive: true, force: true });
  }
}

test('docs/application.md: its programs publish and consume, and connect for good', async () => {
  const [current = '', older = '', forGood = '', ...others] = pastedBlocks('docs/application.md', 'ts');
  expect(others).toEqual([]);
  // each has an id of its own: what is published again within two minutes is dropped. What the server hands to a program
  // that was just killed is delivered again.
  for (const [n, program] of [current, older].entries())
    await untilPrints(program.replace('trade-4711', `trade-${n}`), 'acme/both', /^trade\.eu\.1 \{"price":17\}/m);
  const connecting = [
    "import { readFileSync } from 'node:fs';",
    "import { connect, credsAuthenticator } from '@nats-io/transport-node';",
    "const servers = 'nats://127.0.0.1:4222';",
    forGood.replace('/var/lib/mbus-site/apps/acme/exchange.creds', 'exchange.creds'),
    'console.log(await nc.rtt());',
  ];
  await untilPrints(connecting.join('\n'), 'acme/both', /^[\d.]+$/m);
});

test('docs/application.md: a context for the nats command', async () => {
  const block = pastedBlocks('docs/application.md').join('\n');
  const context = block.replaceAll('/var/lib/mbus-site', join(lab().dir, 'sites/tokyo'));
  // the second line is the nats command's
  expect(context.trim().split('\n')).toHaveLength(2);
  expect(await pasteAll(context.split('\n')[0] ?? '')).toContain('acme-exchange');
});

test('docs/dead-letters.md: listed, shown, retried, purged, and read by a program', async () => {
  const nc = await lab().connect('acme/both');
  const consumer = await jetstream(nc).consumers.get('trade@risk', 'risk');
  const giveUp = async (count: number): Promise<void> => {
    await publishSome(lab(), 'acme/both', 'trade.x', count, new Ledger());
    for (let n = 0; n < 2 * count; n++) await consumer.next({ expires: 30_000 });
  };
  const letters = async (): Promise<number> => {
    // a server gives a message up when it would deliver it again, and somebody must ask for that
    await consumer.next({ expires: 1_000 });
    const env = { MBUS_DIR: lab().dir };
    const rows = JSON.parse(await pasteAll('mbus dlq ls acme/trade@risk --json', env)) as { letters: unknown[] };
    return rows.letters.length;
  };
  await giveUp(3);
  await until('three letters', async () => (await letters()) === 3, 60_000);
  const page = pastedBlocks('docs/dead-letters.md').join('\n');
  const script = page.replaceAll('/var/lib/mbus-site', join(lab().dir, 'sites/frankfurt'));
  await pasteAll(script, { MBUS_DIR: lab().dir });
  await giveUp(1);
  await until('one letter', async () => (await letters()) > 0, 60_000);
  await nc.close();
  const [connecting = ''] = pastedBlocks('docs/application.md', 'ts');
  const head = connecting.slice(0, connecting.indexOf('await js.publish'));
  const [reading = ''] = pastedBlocks('docs/dead-letters.md', 'ts');
  await untilPrints(`${head}${reading}`, 'acme/mender', /trade\.x/);
});

test('docs/groups.md: drained, forgotten', async () => {
  const [drain = '', forget = ''] = pastedBlocks('docs/groups.md');
  const here = (block: string): string => block.replaceAll('acme/east', 'acme/virginia');
  expect(await pasteAll(here(drain), { MBUS_DIR: lab().dir })).toContain('acme/virginia');
  // the first only says what may happen, and has exit code 1
  await pasteAll(here(forget).replace(/^(mbus terminal forget \S+)(?= +#)/m, '! $1'), { MBUS_DIR: lab().dir });
});
