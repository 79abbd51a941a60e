/** The first word of a command line: what it is for, and where its verbs are. Loaded only when it is asked for. */
import type { Command } from 'commander';

interface Noun {
  summary: string;
  load: () => Promise<{ register(program: Command): void }>;
}

export const nouns: Record<string, Noun> = {
  init: { summary: 'make the directory of a new control plane', load: () => import('./control/init.ts') },
  control: { summary: 'run the control plane, migrate its database', load: () => import('./control/index.ts') },
  site: { summary: 'a LAN: its nats-server and its sidecar', load: () => import('./site/index.ts') },
  customer: { summary: 'a tenant', load: () => import('./customer/index.ts') },
  terminal: { summary: 'a customer at a site', load: () => import('./terminal/index.ts') },
  link: { summary: 'a connection between two terminals of a customer', load: () => import('./link/index.ts') },
  topic: { summary: 'what is sent', load: () => import('./topic/index.ts') },
  group: { summary: 'who must receive a topic', load: () => import('./group/index.ts') },
  key: { summary: 'the master key', load: () => import('./key/index.ts') },
  backup: { summary: 'the metadata in one encrypted file, and back', load: () => import('./backup/index.ts') },
  ticket: { summary: 'who may seal what until when', load: () => import('./ticket/index.ts') },
  app: { summary: "an application's credential and rights", load: () => import('./app/index.ts') },
  dlq: { summary: 'dead letters: messages that found their end', load: () => import('./dlq/index.ts') },
  route: { summary: 'which way messages would take', load: () => import('./route/index.ts') },
  routes: { summary: 'which way messages take now', load: () => import('./bus/routes.ts') },
  links: { summary: 'state, round trip and cost of every link', load: () => import('./bus/links.ts') },
  trace: { summary: 'which way one message took, and when', load: () => import('./bus/trace.ts') },
  apply: { summary: 'bring a bus to what a file says', load: () => import('./bus/apply.ts') },
  diff: { summary: 'show what apply would change', load: () => import('./bus/diff.ts') },
  export: { summary: 'print the bus as a file', load: () => import('./bus/export.ts') },
  status: { summary: 'what is up, what waits, and why', load: () => import('./bus/status.ts') },
  doctor: { summary: 'what is wrong, and what to do about it', load: () => import('./bus/doctor.ts') },
  console: { summary: 'the web page of the control plane', load: () => import('./console/index.ts') },
  audit: { summary: 'who changed what', load: () => import('./audit/index.ts') },
  pub: { summary: 'publish one message', load: () => import('./message/pub.ts') },
  replay: { summary: 'publish a recorded file', load: () => import('./message/replay.ts') },
  adopt: { summary: 'make a topic of what an existing stream gets', load: () => import('./message/adopt.ts') },
  sub: { summary: 'consume a group and print it', load: () => import('./message/sub.ts') },
  profile: { summary: 'which control plane verbs talk to', load: () => import('./profile/index.ts') },
  explain: { summary: 'what an error code means, and the way out', load: () => import('./help/explain.ts') },
  completion: { summary: 'completion for bash, zsh and fish', load: () => import('./help/completion.ts') },
  lab: { summary: 'a whole bus on this machine', load: () => import('./lab/index.ts') },
  sidecar: { summary: 'run the sidecar of a site', load: () => import('./sidecar/index.ts') },
};
