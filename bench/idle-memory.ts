/**
 * What a sidecar at rest takes: 100 topics of 3 groups, nothing published. Resident memory of the sidecar of each site ten
 * seconds after it is ready, run from the source; with --built of one that runs the program in dist/ as it is published.
 *
 *   node bench/idle-memory.ts [--built] [--json]        exit code 1 when a sidecar takes 200 MB or more
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../demo/program.ts';
import { labDown, labKill, labUp } from '../src/lab/index.ts';
import { readRecord } from '../src/lab/processes.ts';

const limitMegabytes = 200;
const restMs = 10_000;
const root = fileURLToPath(new URL('..', import.meta.url));

const topics = Array.from(
  { length: 100 },
  (_, at) => `
      - name: topic${at}
        groups:
          - {name: here,  terminals: [tokyo]}
          - {name: there, terminals: [frankfurt]}
          - {name: both,  terminals: [tokyo, frankfurt]}`,
);
const bus = `
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
customers:
  - name: acme
    terminals: [tokyo, frankfurt]
    links:
      - {between: [tokyo, frankfurt]}
    topics:${topics.join('')}
    apps:
      - {name: writer, terminal: tokyo, publish: [${topics.map((_, at) => `topic${at}`).join(', ')}]}
`;

/** Megabytes of memory that the process has resident. */
async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}

/** The program without its source beside it, as a package holds it. */
async function startBuilt(place: string, siteDir: string): Promise<ChildProcess> {
  await mkdir(join(place, 'cli'));
  for (const each of ['cli/mbus.js', 'dist', 'nats-config', 'package.json']) {
    await cp(join(root, each), join(place, each), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(place, 'node_modules'));
  const args = [join(place, 'cli/mbus.js'), 'sidecar', 'run', '--dir', siteDir, '--external-server'];
  return spawn(process.execPath, args, { stdio: 'ignore' });
}

async function run(isBuilt: boolean): Promise<Record<string, number>> {
  const place = await mkdtemp(join(tmpdir(), 'mbus-idle-'));
  const dir = join(place, 'lab');
  try {
    await labUp({ text: bus, fileName: 'bus.yaml', dir, readyMs: 180_000 });
    await delay(restMs);
    const found: Record<string, number> = {};
    for (const site of ['tokyo', 'frankfurt']) {
      const record = await readRecord(dir, `${site}.sidecar`);
      if (record) found[site] = await residentMegabytes(record.pid);
    }
    if (!isBuilt) return found;
    await labKill(dir, 'tokyo', 'sidecar');
    const built = await startBuilt(place, join(dir, 'sites/tokyo'));
    await delay(2 * restMs);
    found['tokyo from dist'] = await residentMegabytes(built.pid ?? 0);
    built.kill('SIGKILL');
    return found;
  } finally {
    await labDown(dir).catch(() => undefined);
    await rm(place, { recursive: true, force: true });
  }
}

await runProgram({
  name: 'bench',
  usage: 'Usage: npm run bench:memory [-- --built] [--json]\n',
  options: { built: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  run: async ({ built, json }) => {
    const found = await run(built);
    if (json) process.stdout.write(`${JSON.stringify({ limitMegabytes, residentMegabytes: found })}\n`);
    else
      for (const [who, megabytes] of Object.entries(found)) process.stdout.write(`${who}: ${megabytes} MB resident\n`);
    return Object.values(found).every((megabytes) => megabytes < limitMegabytes) ? 0 : 1;
  },
});
