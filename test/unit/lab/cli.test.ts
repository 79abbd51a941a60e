import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startLinkDaemon } from '../../../src/lab/daemon.ts';
import { Links } from '../../../src/lab/links.ts';
import { exampleBus } from '../../support/bus-file.ts';

const mbus = fileURLToPath(new URL('../../../cli/mbus.js', import.meta.url));
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mbus-lab-cli-'));
});

afterEach(async () => {
  await rm(dir, { recursive: true });
});

function lab(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [mbus, 'lab', ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

describe('mbus lab', () => {
  test('a directory that cannot be made is told at once', { timeout: 20_000 }, async () => {
    const file = join(dir, 'bus.yaml');
    await writeFile(file, exampleBus);
    const { code, stderr } = await lab('up', file, '--dir', '/proc/x/y');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/E_FILE: cannot make \/proc\/x\/y/) });
  });

  test.each([
    ['a link that is no link', ['cut', 'acme', 'tokyo'], 'name a link'],
    ['a shape without any value', ['shape', 'acme', 'tokyo', 'osaka'], 'say what to shape'],
    ['a rate of nothing', ['shape', 'acme', 'tokyo', 'osaka', '--mbit', '0'], 'Use a number from'],
    ['a site without its part', ['kill', 'tokyo'], 'name a part'],
  ])('refuses %s with exit code 2', async (_, args, said) => {
    const { code, stderr } = await lab(...args, '--dir', dir);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(said) });
  });

  test('names every problem of a bad file and starts nothing', async () => {
    const file = join(dir, 'bad.yaml');
    await writeFile(file, 'sites:\n  - {name: tokyo, mode: server}\n  - {name: tokyo, mode: client}\n');
    const { code, stderr } = await lab('up', file, '--dir', join(dir, 'lab'));
    expect(code).toBe(2);
    expect(stderr).toMatch(/bad\.yaml:2:.*address/);
    expect(stderr).toMatch(/bad\.yaml:3:.*tokyo/);
  });

  test('tells of a directory that cannot be made, with exit code 1', async () => {
    const file = join(dir, 'bus.yaml');
    await writeFile(file, exampleBus);
    const { code, stderr } = await lab('up', file, '--dir', file);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('E_FILE: cannot make') });
  });

  test('says that there is no lab where none was started, with exit code 1', async () => {
    for (const verb of [['down'], ['links'], ['status'], ['cut', 'acme', 'tokyo', 'osaka']]) {
      const { code, stderr } = await lab(...verb, '--dir', dir);
      expect({ verb, code, stderr }).toEqual({ verb, code: 1, stderr: expect.stringContaining('E_LAB_GONE') });
    }
  });

  test('prints what a link verb did as one JSON document', async () => {
    const daemon = await startLinkDaemon({ dir });
    await (await Links.open(dir)).run({ do: 'open', link: 'link/acme/osaka/tokyo', targetPort: 1 });
    const shaped = await lab(
      'shape',
      'acme',
      'tokyo',
      'osaka',
      '--delay-ms',
      '50',
      '--mbit',
      '20',
      '--dir',
      dir,
      '--json',
    );
    expect(JSON.parse(shaped.stdout)).toMatchObject({
      link: 'link/acme/osaka/tokyo',
      shape: { delayMs: 50, mbit: 20 },
    });
    const cut = await lab('cut', 'acme', 'tokyo', 'osaka', '--dir', dir);
    expect(cut.stdout).toBe('acme tokyo osaka is cut\n');
    const listed = await lab('links', '--dir', dir);
    expect(listed.stdout).toMatch(/acme osaka tokyo +cut +50 ms +20 Mbit\/s/);
    await daemon.stop();
  });
});
