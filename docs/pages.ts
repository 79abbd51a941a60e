/** The pages of docs/ that are made from the source: errors of the registry, grammar of the command line, rights of every user. */
import type { Command } from 'commander';
import { buildProgram } from '../cli/program.ts';
import { adminRights, joinRights, siteRights } from '../src/control/users.ts';
import { errorRegistry } from '../src/errors.ts';
import {
  appReach,
  appRights,
  connectionTypes,
  controlRights,
  customerLimits,
  fullRights,
  leafRights,
  linkRights,
} from '../src/site/permissions.ts';
import type { Rights } from '../src/trust/index.ts';

/** docs/errors.md: a row per code, in the order of the alphabet. */
export function errorsPage(): string {
  const rows = Object.entries(errorRegistry)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([code, { disposition, summary, remedy }]) => `| ${code} | ${disposition} | ${cell(summary)} | ${cell(remedy)} |`,
    );
  return `# Errors

Every error has a code; match on it, never on the text. The message says what happened, to which noun; the way out is below.
Made from src/errors.ts by \`npm run docs\`.

| kind | what the bus does with it |
|---|---|
| retry | the cause may pass: the thing is kept and tried again |
| park | it needs somebody or something else: the thing is kept and shown in \`mbus status\`, the others go on |
| reject | the request itself is wrong: the caller is told, nothing changes |
| fatal | this process cannot work: it reports and exits |

| code | kind | what happened | the way out |
|---|---|---|---|
${rows.join('\n')}
`;
}

/** docs/cli.md: conventions, then the help text of every verb. */
export async function cliPage(preamble: string): Promise<string> {
  const program = await buildProgram(() => true);
  const verbs = program.commands.flatMap((command) => leaves(command, 'mbus'));
  const sections = verbs.map(({ name, command }) => `## ${name}\n\n\`\`\`text\n${helpOf(command, name)}\n\`\`\``);
  return `${preamble.trim()}\n\n${sections.join('\n\n')}\n`;
}

interface Verb {
  name: string;
  command: Command;
}

function leaves(command: Command, above: string): Verb[] {
  const name = `${above} ${command.name()}`;
  const visible = command
    .createHelp()
    .visibleCommands(command)
    .filter((sub) => sub.name() !== 'help');
  return visible.length === 0 ? [{ name, command }] : visible.flatMap((sub) => leaves(sub, name));
}

/** The text of --help, examples included, as a terminal of 100 columns shows it. */
function helpOf(command: Command, name: string): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.replace(/^Usage: .*?(?= \[| <|$)/m, `Usage: ${name}`).trim();
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

const [rightsBegin, rightsEnd] = [
  '<!-- rights: made from src/site/permissions.ts by npm run docs -->',
  '<!-- /rights -->',
];

/** docs/security.md: the page with its table of rights as the code grants them. */
export function securityPage(page: string): string {
  const [before = '', rest = ''] = page.split(rightsBegin);
  return `${before}${rightsBegin}\n${rightsTable()}\n${rightsEnd}${rest.split(rightsEnd)[1] ?? ''}`;
}

function rightsTable(): string {
  const [self, peer] = ['SITE', 'PEER'];
  const { sidecar, leaf, app } = connectionTypes;
  const rows = [
    rightsRow('application, publishes `TOPIC`', 'the customer’s', app, exampleApp(['TOPIC'], [])),
    rightsRow('application, consumes `TOPIC@GROUP`', 'the customer’s', app, exampleApp([], ['GROUP'])),
    rightsRow('the same, `isolateApps`', 'its own', app, exampleApp(['TOPIC'], ['GROUP'], true)),
    rightsRow('sidecar, streams and consumers', 'the customer’s, `BUS`', sidecar, fullRights),
    rightsRow('sidecar, accounts and reloads', '`SYS`', sidecar, fullRights),
    rightsRow('sidecar, one link', 'the link’s', sidecar, linkRights(self, peer)),
    rightsRow('`PEER`’s server, where it dials in', 'the customer’s links', leaf, leafRights(self, peer)),
    rightsRow('sidecar, towards the control plane', '`CTL`', sidecar, controlRights(self)),
    rightsRow('the same, where its server comes in', 'the control plane’s `CTL`', leaf, siteRights(self)),
    rightsRow('admin', 'the control plane’s `CTL`', sidecar, adminRights('ADMIN')),
    rightsRow('who joins, 15 minutes', 'the control plane’s `CTL`', app, joinRights('TOKEN')),
  ];
  return `## Rights of every user

Allow lists; a user may do nothing else. \`SITE\`, \`PEER\`, \`ADMIN\`, \`TOKEN\` stand for ids. What the control plane does for a caller is decided
by the key that signed the request, not by the subject. An account of a customer takes ${customerLimits.maxConnections} connections, each of an
application ${customerLimits.maxAppSubscriptions} subscriptions (nats-server counts them by connection); bytes are limited by its topics' and groups' \`maxBytes\`.

| user | account | connects as | publishes | subscribes | denied besides |
|---|---|---|---|---|---|
${rows.join('\n')}
`;
}

function exampleApp(publish: string[], groups: string[], isolateApps = false): Rights {
  const group = { id: '', name: 'GROUP' } as Parameters<typeof appRights>[0]['topics'][number]['groups'][number];
  const topic = { id: '', name: 'TOPIC', scope: 'bus', groups: [group] };
  const customer = { isolateApps, topics: [topic] } as unknown as Parameters<typeof appRights>[0];
  const consume = groups.map((name) => ({ topic: 'TOPIC', group: name }));
  const app = { id: '', name: 'APP', credential: 0, credentialLifeMs: null, publish, consume, deadLetters: [] };
  return appRights(
    customer,
    app,
    appReach(customer, app, () => true),
  );
}

function rightsRow(user: string, account: string, connections: readonly string[], rights: Rights): string {
  const list = (subjects: readonly string[]): string => subjects.map((subject) => `\`${subject}\``).join(' ');
  const denied = [...new Set([...rights.publish.deny, ...rights.subscribe.deny])];
  const cells = [
    user,
    account,
    connections.join(' '),
    list(rights.publish.allow),
    list(rights.subscribe.allow),
    list(denied),
  ];
  return `| ${cells.join(' | ')} |`;
}
