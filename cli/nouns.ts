/** The first word of a command line: what it is for, and where its verbs are. Loaded only when it is asked for. */
import type { Command } from 'commander';

interface Noun {
  summary: string;
  load: () => Promise<{ register(program: Command): void }>;
}

export const nouns: Record<string, Noun> = {
  init: { summary: 'make the directory of a new control plane', load: () => import('./control/init.ts') },
  control: { summary: 'run the control plane, migrate its database', load: () => import('./control/index.ts') },
  sidecar: { summary: 'run the sidecar of a site', load: () => import('./sidecar/index.ts') },
};
