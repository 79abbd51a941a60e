/** `mbus lab kill` and `start`, `pause` and `resume`: one part of the lab, by SIGKILL or SIGSTOP and back. */
import type { Command } from 'commander';
import type { Part } from '../../src/lab/index.ts';
import { jsonOption, usage } from '../options.ts';
import { printResult, talk } from '../output.ts';
import { type LabOptions, labDirOption } from './options.ts';

const parts = ['server', 'sidecar', 'daemon', 'postgres'] as const;

type Verb = 'kill' | 'start' | 'pause' | 'resume';
const done: Record<Verb, string> = { kill: 'is killed', start: 'runs', pause: 'is stopped', resume: 'goes on' };

export function addKill(lab: Command): void {
  addPartVerb(
    lab,
    'kill',
    'SIGKILL a part; `control` takes its nats-server and PostgreSQL along',
    async (dir, site, part) => {
      await (await import('../../src/lab/index.ts')).labKill(dir, site, part);
    },
  );
}

export function addStart(lab: Command): void {
  addPartVerb(lab, 'start', 'start a killed part again; returns when it is ready', async (dir, site, part) => {
    await (await import('../../src/lab/index.ts')).labStart(dir, site, part, talk);
  });
}

export function addPause(lab: Command): void {
  addPartVerb(lab, 'pause', 'SIGSTOP a part: it keeps its connections and does nothing', async (dir, site, part) => {
    await (await import('../../src/lab/index.ts')).labPause(dir, site, part);
  });
}

export function addResume(lab: Command): void {
  addPartVerb(lab, 'resume', 'SIGCONT a part that was paused', async (dir, site, part) => {
    await (await import('../../src/lab/index.ts')).labResume(dir, site, part);
  });
}

type Act = (dir: string, site: string, part: Part | undefined) => Promise<void>;

function addPartVerb(lab: Command, verb: Verb, description: string, act: Act): void {
  lab
    .command(verb)
    .description(description)
    .argument('<site>', 'a site, or control')
    .argument(
      '[part]',
      'server or sidecar (server:2, sidecar:2 for the second); of control: daemon, server or postgres',
    )
    .addOption(labDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `\nExamples:\n  $ mbus lab ${verb} --dir ./lab tokyo sidecar\n  $ mbus lab ${verb} --dir ./lab control`,
    )
    .action(async (site: string, word: string | undefined, { dir, json }: LabOptions) => {
      const part = partOf(site, word);
      await act(dir, site, part);
      const name = [site, part].filter(Boolean).join(' ');
      printResult(json, { site, part: part ?? null }, () => `${name} ${done[verb]}`);
    });
}

function partOf(site: string, word: string | undefined): Part | undefined {
  if (site === 'control' && word === undefined) return undefined;
  const [, kind, number] = /^(sidecar|server):([1-9])$/.exec(word ?? '') ?? [];
  if (kind === 'sidecar' || kind === 'server') return `${kind}:${Number(number)}`;
  const part = parts.find((name) => name === word);
  if (part === undefined)
    throw usage('name a part: SITE server, SITE sidecar, control, or control daemon, server, postgres');
  return part;
}
