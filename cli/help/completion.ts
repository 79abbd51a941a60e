/**
 * `mbus completion`: a script for the shell, made from the program's own grammar. It completes nouns, verbs, options and
 * the choices of an option without starting mbus, and file names everywhere else.
 */
import { Argument, type Command } from 'commander';
import { exampleText } from '../control-verb.ts';

/** What may follow the words so far: `''`, `site`, `site join`. */
interface Place {
  words: string;
  /** words that go on: verbs below it */
  verbs: { name: string; about: string }[];
  options: { name: string; about: string; choices: readonly string[] }[];
}

export function register(program: Command): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'whose').choices(['bash', 'zsh', 'fish']))
    .description('print the completion script of a shell')
    .addHelpText(
      'after',
      exampleText([
        'mbus completion bash > ~/.local/share/bash-completion/completions/mbus',
        'mbus completion zsh > ~/.zfunc/_mbus',
        'mbus completion fish > ~/.config/fish/completions/mbus.fish',
      ]),
    )
    .action(completion);
}

async function completion(shell: 'bash' | 'zsh' | 'fish'): Promise<void> {
  const { buildProgram } = await import('../program.ts');
  const places = placesOf(await buildProgram(() => true));
  process.stdout.write(scripts[shell](places));
}

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript };

function placesOf(command: Command, above: readonly string[] = []): Place[] {
  const below = command
    .createHelp()
    .visibleCommands(command)
    .filter((sub) => sub.name() !== 'help');
  const options = command.createHelp().visibleOptions(command);
  const place: Place = {
    words: above.join(' '),
    verbs: below.map((sub) => ({ name: sub.name(), about: sub.summary() || sub.description() })),
    options: options.flatMap(({ long, description, argChoices = [] }) =>
      long ? [{ name: long, about: description, choices: argChoices }] : [],
    ),
  };
  return [place, ...below.flatMap((sub) => placesOf(sub, [...above, sub.name()]))];
}

function bashScript(places: readonly Place[]): string {
  const rows = places.map(
    ({ words, verbs, options }) =>
      `    '${words}') words='${[...verbs, ...options].map(({ name }) => name).join(' ')}' ;;`,
  );
  const choices = places.flatMap(({ words, options }) =>
    options
      .filter((option) => option.choices.length > 0)
      .map(({ name, choices }) => `    '${`${words} ${name}`.trim()}') words='${choices.join(' ')}' ;;`),
  );
  const nouns = places.filter(({ verbs, words }) => verbs.length > 0 && words !== '').map(({ words }) => words);
  return `# bash completion of mbus: made by mbus completion bash
_mbus() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} place='' words=''
  if (( COMP_CWORD > 1 )); then
    place=\${COMP_WORDS[1]}
    case " ${nouns.join(' ')} " in *" $place "*) (( COMP_CWORD > 2 )) && place="$place \${COMP_WORDS[2]}" ;; esac
  fi
  case "$place" in
${rows.join('\n')}
  esac
  case "$place $previous" in
${choices.join('\n')}
  esac
  COMPREPLY=( $(compgen -W "$words" -- "$current") )
}
complete -o default -F _mbus mbus
`;
}

/** zsh runs the same function through its bashcompinit. */
function zshScript(places: readonly Place[]): string {
  return `#compdef mbus
# zsh completion of mbus: made by mbus completion zsh
autoload -U +X bashcompinit && bashcompinit
${bashScript(places)}`;
}

function fishScript(places: readonly Place[]): string {
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = places.flatMap(({ words, verbs, options }) => {
    const condition = quoted(`__mbus_at ${words}`.trim());
    return [
      ...verbs.map(({ name, about }) => `complete -c mbus -n ${condition} -f -a ${name} -d ${quoted(about)}`),
      ...options.map(({ name, about, choices }) => {
        const values = choices.length > 0 ? ` -x -a ${quoted(choices.join(' '))}` : '';
        return `complete -c mbus -n ${condition} -l ${name.slice(2)}${values} -d ${quoted(about)}`;
      }),
    ];
  });
  const nouns = places.filter(({ verbs, words }) => verbs.length > 0 && words !== '').map(({ words }) => words);
  return `# fish completion of mbus: made by mbus completion fish
function __mbus_at
    set -l words (commandline -opc)[2..-1]
    set -l place
    if set -q words[1]
        set place $words[1]
        if contains -- $place ${nouns.join(' ')}; and set -q words[2]
            set place $place $words[2]
        end
    end
    test "$place" = "$argv"
end
${lines.join('\n')}
`;
}
