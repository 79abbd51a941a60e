/** The pages of docs/ that are made from the source: the errors of the registry and the grammar of the command line. */
import type { Command } from 'commander';
import { buildProgram } from '../cli/program.ts';
import { errorRegistry } from '../src/errors.ts';

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
