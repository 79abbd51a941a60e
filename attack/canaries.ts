/**
 * K10: everything a lab has written and says, searched for what must not be there: payloads outside their two sites, secrets
 * outside the file that is theirs. Each secret must be found in its own file, or the search finds nothing at all.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Attack, type Outcome, verdict } from './attack.ts';
import type { World } from './world.ts';

interface Secret {
  name: string;
  /** as it may be written */
  forms: Buffer[];
  /** of paths below the lab's directory */
  mayBeIn: RegExp;
  /** nobody has to write it anywhere */
  isFleeting?: boolean;
}

/** text secrets, the file they are in, and where else they may be */
const seedFiles: readonly [RegExp, RegExp][] = [
  [/^sites\/[^/]+\/keys\/control\.nk$/, /\/keys\/control\.nk$|\/nats\/leaf\/control\.creds$/],
  [/^sites\/[^/]+\/keys\/link-[^/]+\.nk$/, /\/keys\/link-[^/]+\.nk$|\/nats\/leaf\/[^/]+\.creds$/],
  [/^sites\/[^/]+\/keys\/[^/]+\.nk$/, /\/keys\/[^/]+\.nk$/],
  [/^sites\/[^/]+\/apps\/.*\.creds$/, /\/apps\/.*\.creds$/],
];
const payloads = 5;
/** its catalogues as initdb makes them */
const untouched = /^control\/postgres\/data\/base\/[145]\//;

export async function searchLab(world: World): Promise<Outcome> {
  const paths = (await filesIn(world.dir)).filter((path) => !untouched.test(path));
  const secrets = await secretsOf(world, paths);
  const problems: string[] = [];
  const found = new Set<string>();
  let searched = 0;
  for (const path of paths) {
    const content = await readFile(join(world.dir, path)).catch(() => Buffer.alloc(0));
    searched += content.length;
    for (const { name, forms, mayBeIn } of secrets) {
      if (!forms.some((form) => content.includes(form))) continue;
      if (mayBeIn.test(path)) found.add(name);
      else problems.push(`${name} in ${path}`);
    }
  }
  const said = await everythingSaid(world);
  for (const { name, forms, isFleeting } of secrets) {
    for (const [where, text] of Object.entries(said))
      if (forms.some((form) => text.includes(form))) problems.push(`${name} in ${where}`);
    if (!isFleeting && !found.has(name)) problems.push(`${name} is not even where it belongs`);
  }
  const kinds = `${secrets.length} secrets and payloads`;
  return verdict(problems, `${Math.round(searched / 1e6)} MB of files, ${Object.keys(said).join(', ')}: 0 of ${kinds}`);
}

async function secretsOf(world: World, paths: readonly string[]): Promise<Secret[]> {
  const { envelope } = await world.captured();
  const read = (path: string): Promise<Buffer> => readFile(join(world.dir, path));
  const raw = async (path: string): Promise<Secret> => ({
    name: path,
    forms: formsOf(await read(path)),
    mayBeIn: new RegExp(`^${path.replaceAll('.', '\\.')}$`),
  });
  const seeds = paths.flatMap((path) => {
    const kind = seedFiles.find(([file]) => file.test(path));
    return kind === undefined ? [] : [{ path, mayBeIn: kind[1] }];
  });
  const seedSecrets = seeds.map(async ({ path, mayBeIn }): Promise<Secret> => {
    const seed = /S[UAO][A-Z2-7]{56}/.exec((await read(path)).toString('utf8'))?.[0] ?? path;
    return { name: `the seed of ${path}`, forms: [Buffer.from(seed)], mayBeIn };
  });
  const raws = paths.filter((path) =>
    /\/(securekey|marker\.key|request\.key|master\.key|postgres\/password)$/.test(path),
  );
  const sample = world.victim.sample(payloads).map((id, n) => ({
    name: `payload ${n}`,
    forms: formsOf(Buffer.from(id)),
    mayBeIn: /^sites\/(tokyo|frankfurt)\/nats\/store\//,
  }));
  // it travels in the envelope's header: disks of sites may hold it, the control plane's may not
  const mayBeIn = /^sites\/[^/]+\/nats\/store\//;
  const password = { name: 'a temporary password', forms: formsOf(envelope.password), mayBeIn, isFleeting: true };
  return [...(await Promise.all([...seedSecrets, ...raws.map(raw)])), ...sample, password];
}

function formsOf(bytes: Uint8Array): Buffer[] {
  const buffer = Buffer.from(bytes);
  return [buffer, ...(['hex', 'base64url', 'base64'] as const).map((form) => Buffer.from(buffer.toString(form)))];
}

/** Answers, pages and command lines, by what they are. */
async function everythingSaid(world: World): Promise<Record<string, Buffer>> {
  const answers = [
    await world.admin.call('bus.status', {}),
    await world.admin.call('bus.export', {}),
    await world.admin.call('audit.list', { limit: 1_000 }),
    await world.admin.call('ticket.list', { isLive: false, limit: 1_000 }),
  ];
  const urls = Object.values(world.info.sites).map(({ metrics }) => metrics);
  const status = [...urls, world.info.control.metrics].flatMap((url) => [url, url.replace(/metrics$/, 'status')]);
  const monitors = await Promise.all(
    Object.keys(world.info.sites).map(async (name) => (await world.site(name)).dir.file.monitor),
  );
  const core = monitors.flatMap((at) =>
    ['varz', 'connz?subs=1&auth=1', 'jsz?consumers=1&config=1', 'leafz?subs=1', 'accountz'].map(
      (page) => `http://${at}/${page}`,
    ),
  );
  const pages = await Promise.all([...status, ...core].map(async (url) => (await fetch(url)).text()));
  return {
    answers: Buffer.from(JSON.stringify(answers)),
    'metrics and pages': Buffer.from(pages.join('\n')),
    arguments: Buffer.from(await commandLines()),
  };
}

/** Below a living server: a folder that goes while it is looked at held a batch that is stored elsewhere now. */
async function filesIn(dir: string, below = ''): Promise<string[]> {
  const entries = await readdir(join(dir, below), { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && below !== '') return [];
    throw error;
  });
  const found = entries.map(async (entry) => {
    const path = join(below, entry.name);
    if (entry.isDirectory()) return filesIn(dir, path);
    return entry.isFile() ? [path] : [];
  });
  return (await Promise.all(found)).flat();
}

async function commandLines(): Promise<string> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => ''));
  return (await Promise.all(lines)).join('\n');
}

export const canaryAttacks: Attack[] = [
  {
    id: 'K10',
    attempt: 'secrets and payloads in anything that was written or said',
    defence: { note: 'a search; each secret has to be found in the file that is its own' },
    run: searchLab,
  },
];
