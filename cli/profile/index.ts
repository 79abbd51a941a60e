/** The verbs of `mbus profile`: names for control planes, and which of them other verbs talk to. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readEnv } from '../../src/config/env.ts';
import { checkName } from '../../src/config/names.ts';
import { type Profiles, readProfiles, requireProfile, writeProfiles } from '../../src/config/profiles.ts';
import { BusError } from '../../src/errors.ts';
import { exampleText } from '../control-verb.ts';
import { type JsonOption, jsonOption } from '../options.ts';
import { printResult, table } from '../output.ts';

interface AddOptions extends JsonOption {
  dir: string;
  use?: boolean;
}

export function register(program: Command): void {
  const profile = program.command('profile').description('names for control planes, and which one verbs talk to');
  verb(profile, 'add <name>', "name a control plane's directory", 'mbus profile add prod --dir /var/lib/mbus --use')
    .requiredOption('--dir <dir>', "the control plane's directory")
    .option('--use', 'and use it from now on')
    .action(add);
  verb(profile, 'use <name>', 'talk to it from now on', 'mbus profile use prod').action(use);
  verb(profile, 'rm <name>', 'forget the name; nothing else is removed', 'mbus profile rm prod').action(rm);
  verb(profile, 'ls', 'list the profiles', 'mbus profile ls').action(ls);
}

function verb(profile: Command, usage: string, description: string, example: string): Command {
  return profile
    .command(usage)
    .description(description)
    .addOption(jsonOption())
    .addHelpText('after', exampleText([example]));
}

async function add(name: string, { dir, use: isUsed, json }: AddOptions): Promise<void> {
  checkName('profile', name);
  await change(json, ({ current, profiles }) => {
    if (Object.hasOwn(profiles, name)) throw new BusError('E_EXISTS', `there is a profile ${name} already`);
    return { current: isUsed ? name : current, profiles: { ...profiles, [name]: { dir: resolve(dir) } } };
  });
}

async function use(name: string, { json }: JsonOption): Promise<void> {
  await change(json, ({ profiles }) => {
    requireProfile(profiles, name);
    return { current: name, profiles };
  });
}

async function rm(name: string, { json }: JsonOption): Promise<void> {
  await change(json, ({ current, profiles }) => {
    requireProfile(profiles, name);
    const { [name]: _, ...others } = profiles;
    return { current: current === name ? null : current, profiles: others };
  });
}

async function change(json: boolean | undefined, edit: (profiles: Profiles) => Profiles): Promise<void> {
  const env = readEnv();
  const edited = edit(readProfiles(env));
  await writeProfiles(env, edited);
  print(json, edited);
}

function ls({ json }: JsonOption): void {
  print(json, readProfiles(readEnv()));
}

function print(json: boolean | undefined, { current, profiles }: Profiles): void {
  const rows = Object.entries(profiles).map(([name, { dir }]) => ({ name, dir, inUse: name === current }));
  printResult(json, rows, () =>
    rows.length === 0
      ? 'no profiles'
      : table([
          ['PROFILE', 'DIRECTORY'],
          ...rows.map(({ name, dir, inUse }) => [inUse ? `* ${name}` : `  ${name}`, dir]),
        ]),
  );
}
