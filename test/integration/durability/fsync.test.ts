/**
 *   strace ─▶ nats-server | node        what is on disk before it is acknowledged
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { eventually, freePort, natsBinary, testScope } from '../../support/nats-server.ts';

const scope = testScope();
const canTrace = spawnSync('strace', ['-f', '-e', 'trace=fsync', '-o', '/dev/null', 'true']).status === 0;
const calls = /\b(fsync|fdatasync|rename\w*)\(/;

test.skipIf(!canTrace)('class power: one fsync at least for each acknowledgement; class process: none', async () => {
  expect(await syncsOf('always', 25)).toBeGreaterThanOrEqual(25);
  expect(await syncsOf('"2m"', 25)).toBeLessThan(25);
});

test.skipIf(!canTrace)(
  'a file of ours is on disk before it bears its name, and its name before the write is over',
  async () => {
    const dir = scope.dir();
    const module = join(import.meta.dirname, '../../../src/trust/secret-file.ts');
    const code = `
    const { writeFileAtomic } = await import(${JSON.stringify(module)});
    await writeFileAtomic(${JSON.stringify(join(dir, 'state.json'))}, 'x');
    console.log('done');`;
    const trace = join(dir, 'trace');
    const args = ['-f', '-y', '-e', 'trace=fsync,rename,renameat,renameat2,write', '-o', trace, process.execPath];
    const child = spawn('strace', [...args, '--input-type=module', '-e', code], { stdio: 'ignore' });
    await once(child, 'exit');
    const steps = readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => line.includes(dir) && calls.test(line))
      .map((line) => calls.exec(line)?.[1]);
    expect(steps).toEqual(['fsync', expect.stringMatching(/^rename/), 'fsync']);
  },
);

/** How often nats-server asked for a sync while `count` messages were published one after the other. */
async function syncsOf(syncInterval: string, count: number): Promise<number> {
  const [dir, port] = [scope.dir(), await freePort()];
  const [config, trace, pidFile] = [join(dir, 'nats.conf'), join(dir, 'trace'), join(dir, 'pid')];
  const jetStream = `jetstream {\n  store_dir: "${dir}/store"\n  sync_interval: ${syncInterval}\n}`;
  writeFileSync(config, `listen: "127.0.0.1:${port}"\n${jetStream}\n`);
  const args = ['-f', '-e', 'trace=fsync,fdatasync', '-o', trace, await natsBinary(), '-c', config, '-P', pidFile];
  const tracer = spawn('strace', args, { stdio: 'ignore' });
  scope.onEnd(async () => {
    const gone = once(tracer, 'exit');
    // the tracer goes with what it traces
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM');
    await gone;
  });
  const nc = await eventually('nats-server', () => connect({ servers: `127.0.0.1:${port}` }).catch(() => undefined));
  scope.onEnd(() => nc.close());
  await (await jetstreamManager(nc)).streams.add({ name: 'trade', subjects: ['trade'] });
  const syncs = (): number => (existsSync(trace) ? readFileSync(trace, 'utf8').split('sync(').length - 1 : 0);
  const before = syncs();
  for (let n = 0; n < count; n++) await jetstream(nc).publish('trade', String(n));
  return syncs() - before;
}
