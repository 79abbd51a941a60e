/** `mbus lab cut`, `silence` and `restore`: one link of the lab. */
import type { Command } from 'commander';
import type { LinkRef, LinkStats } from '../../src/lab/index.ts';
import { jsonOption } from '../options.ts';
import { printResult } from '../output.ts';
import { type LabOptions, labDirOption, linkRef, linkText, linkWords, linkWordsHelp } from './options.ts';

interface LinkVerb {
  name: string;
  description: string;
  done: string;
  act: (dir: string, link: LinkRef) => Promise<LinkStats>;
}

export function addCut(lab: Command): void {
  addLinkVerb(lab, {
    name: 'cut',
    description: 'cut a link: its connections are reset, new ones closed at once',
    done: 'is cut',
    act: async (dir, link) => (await import('../../src/lab/index.ts')).labCut(dir, link),
  });
}

export function addSilence(lab: Command): void {
  addLinkVerb(lab, {
    name: 'silence',
    description: 'silence a link: connections stay, no byte passes (half-open)',
    done: 'is silent',
    act: async (dir, link) => (await import('../../src/lab/index.ts')).labSilence(dir, link),
  });
}

export function addRestore(lab: Command): void {
  addLinkVerb(lab, {
    name: 'restore',
    description: 'end cut or silence of a link; on an open link take its shape away',
    done: 'is open',
    act: async (dir, link) => (await import('../../src/lab/index.ts')).labRestore(dir, link),
  });
}

function addLinkVerb(lab: Command, { name, description, done, act }: LinkVerb): void {
  lab
    .command(name)
    .description(description)
    .argument(linkWords, linkWordsHelp)
    .addOption(labDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `\nExamples:\n  $ mbus lab ${name} --dir ./lab acme tokyo frankfurt\n  $ mbus lab ${name} --dir ./lab control tokyo`,
    )
    .action(async (words: string[], { dir, json }: LabOptions) => {
      const link = linkRef(words);
      const stats = await act(dir, link);
      printResult(json, stats, () => `${linkText(link)} ${done}`);
    });
}
