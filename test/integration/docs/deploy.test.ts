/** docs/deploy.md, command by command as a reader would paste it: three sites without the lab, and a message between two of them. */
import { expect, test } from 'vitest';
import { pastedBlocks } from '../../support/doc-blocks.ts';
import { freePort } from '../../support/nats-server.ts';
import { useDesk } from '../../support/paste.ts';

const desk = useDesk(['tokyo', 'frankfurt', 'virginia', 'control']);

/** The commands with their ports exchanged for free ones. */
async function withFreePorts(commands: string): Promise<string> {
  const ports = new Map<string, number>();
  for (const [, port = ''] of commands.matchAll(/127\.0\.0\.1:(\d+)/g))
    if (!ports.has(port)) ports.set(port, await freePort());
  return commands.replace(/127\.0\.0\.1:(\d+)/g, (_, port: string) => `127.0.0.1:${ports.get(port)}`);
}

test('the guide as it stands brings a message from tokyo to virginia', { timeout: 500_000 }, async () => {
  const script = await withFreePorts(pastedBlocks('docs/deploy.md').join('\n'));
  const { code, stdout, stderr } = await desk().paste(script);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toMatch(/^\+ customer acme$/m);
  expect(stdout).toContain('stored as trade 1');
  const got = stdout.split('\n').find((line) => line.startsWith('{"subject"')) ?? '{}';
  expect(JSON.parse(got)).toMatchObject({ subject: 'trade.eu', data: '{"price":100}' });
  expect(stdout).toMatch(/acme\/frankfurt-virginia +virginia +(up|degraded)/);
  expect(stdout).toMatch(/\d of \d checks are well/);
  expect(stdout.match(/^nats-server of \w+ is stopped$/gm)).toHaveLength(3);
});
