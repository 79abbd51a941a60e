/** `mbus lab kill` and `start`: one part of the lab, by SIGKILL and back. */
import type { Command } from 'commander';
import type { Part } from '../../src/lab/index.ts';
import { jsonOption, usage } from '../options.ts';
import { printResult, talk } from '../output.ts';
import { type LabOptions, labDirOption } from './options.ts';

const parts = ['server', 'sidecar'] as const;

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

type Act = (dir: string, site: string, part: Part | undefined) => Promise<void>;

function addPartVerb(lab: Command, verb: 'kill' | 'start', description: string, act: Act): void {
  lab
    .command(verb)
    .description(description)
    .argument('<site>', 'a site, or control')
    .argument('[part]', 'server or sidecar')
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
      printResult(json, { site, part: part ?? null }, () => `${name} ${verb === 'kill' ? 'is killed' : 'runs'}`);
    });
}

function partOf(site: string, word: string | undefined): Part | undefined {
  if (site === 'control' && word === undefined) return undefined;
  const part = parts.find((name) => name === word);
  if (part === undefined) throw usage('name a part: SITE server, SITE sidecar, or control');
  return part;
}
