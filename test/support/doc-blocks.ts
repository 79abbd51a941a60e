/**
 * The command blocks of README.md and docs/, and what runs each. Pages in `pasted` are run block by block by the tests in
 * test/integration/docs; a block in `elsewhere` is what the named test or workflow does, for the reason given.
 */
import { readdirSync, readFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url);

export interface DocBlock {
  page: string;
  /** of the fence: `sh`, `ts`, `yaml`, … or empty */
  language: string;
  text: string;
  /** `page: first line`, without its comment */
  key: string;
}

/** All of them; docs/cli.md and docs/errors.md are made from the program itself. */
export function docBlocks(): DocBlock[] {
  const names = readdirSync(new URL('docs/', root)).filter((name) => name.endsWith('.md') && name !== 'cli.md');
  return ['README.md', ...names.map((name) => `docs/${name}`)].flatMap(blocksOf);
}

export function blocksOf(page: string): DocBlock[] {
  const text = readFileSync(new URL(page, root), 'utf8');
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = '', block = '']) => ({
    page,
    language,
    text: block,
    key: `${page}: ${(block.split('\n')[0] ?? '').replace(/\s+#.*$/, '')}`,
  }));
}

/** The page's commands that are to be pasted, in their order. */
export function pastedBlocks(page: string, language = 'sh'): string[] {
  return blocksOf(page)
    .filter((block) => block.language === language && !Object.hasOwn(elsewhere, block.key))
    .map(({ text }) => text);
}

/** Page by the test that pastes it. */
export const pasted: Record<string, string> = {
  'README.md': 'test/integration/docs/pages.test.ts',
  'docs/application.md': 'test/integration/docs/pages.test.ts',
  'docs/dead-letters.md': 'test/integration/docs/pages.test.ts',
  'docs/deploy.md': 'test/integration/docs/deploy.test.ts',
  'docs/groups.md': 'test/integration/docs/pages.test.ts',
  'docs/lab.md': 'test/integration/docs/pages.test.ts',
  'docs/operations.md': 'test/integration/docs/operations.test.ts',
  'docs/redundant-site.md': 'test/integration/docs/operations.test.ts',
};

/** Blocks that take minutes or a registry: the file that runs the same, and why it is not pasted. */
export const elsewhere: Record<string, { by: string; why: string }> = {
  'README.md: npm ci': {
    by: 'test/integration/demo/demo.test.ts',
    why: 'npm ci comes before every test; the demo has a test of its own',
  },
  'README.md: npm run demo -- --input examples/events.jsonl': {
    by: 'test/integration/demo/demo.test.ts',
    why: 'the demo with its options has a test of its own',
  },
  'README.md: npm test': { by: 'package.json', why: 'it is what runs this' },
  'docs/application.md: nats --server nats://127.0.0.1:4222 --creds exchange.creds pub trade.eu.1 hello --jetstream': {
    by: 'test/integration/demo/clients.test.ts',
    why: 'the nats command is in no package of Debian; the same calls are made with its client library’s siblings',
  },
  'docs/application.md: const nc = await connect({': {
    by: 'test/integration/lab/app-tls.test.ts',
    why: 'needs a site whose applications use TLS, which that test has',
  },
  'docs/campaign.md: npm run campaign -- --minutes 30 --seed 1 --report docs/campaigns': {
    by: 'test/fault/campaign.test.ts',
    why: 'half an hour; a short campaign with each option has a test of its own',
  },
  'docs/campaign.md: npm run campaign -- --minutes 2 --seed 1 --break marker-off': {
    by: 'test/fault/campaign.test.ts',
    why: 'minutes; the same with fewer of them',
  },
  'docs/console.md: mbus control run --dir /var/lib/mbus --console 127.0.0.1:8443': {
    by: 'test/integration/console/http.test.ts',
    why: 'the page and its logins have a test of their own',
  },
  'docs/docker.md: docker compose up --build --detach': {
    by: 'test/integration/ops/compose.test.ts',
    why: 'needs Docker, which the tests do not have; each part is run there with its command and environment',
  },
  'docs/docker.md: docker compose exec control mbus console login --dir /var/lib/mbus': {
    by: 'test/integration/ops/compose.test.ts',
    why: 'needs Docker, as above',
  },
  'docs/redundant-site.md: mbus site create tokyo --mode server --address tokyo.example.net:7422 --servers 3 --sidecars 2':
    {
      by: 'test/fault/redundant-servers.test.ts',
      why: 'a second site of the same name; the lab of that test joins one with three servers and two sidecars',
    },
  'docs/docker.md: docker compose run --rm setup': {
    by: 'test/integration/ops/compose.test.ts',
    why: 'needs Docker, as above',
  },
  'docs/docker.md: docker compose exec tokyo mbus pub trade.eu \'{"price":100}\' --server nats://127.0.0.1:4222 --creds /var/lib/mbus/apps/acme/exchange.creds':
    {
      by: 'test/integration/ops/compose.test.ts',
      why: 'needs Docker, as above',
    },
  'docs/security.md: npm run attack': {
    by: 'test/fault/hostile.test.ts',
    why: 'minutes; cases of it run in a test of their own',
  },
};
