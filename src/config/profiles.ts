/**
 * Profiles: names for control planes, as a person who runs several keeps them. One small file under the person's own
 * settings; it holds paths, no secrets. What is not there is no profile; a file that cannot be read is an error, so that
 * nobody changes another bus than the one that was meant.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { BusError } from '../errors.ts';
import { isErrno, writeFileAtomic } from '../trust/index.ts';
import type { Env } from './env.ts';
import { printable } from './names.ts';

const schema = z.strictObject({
  /** the one in use, null when none is */
  current: z.string().nullable(),
  /** name to the control plane's directory, absolute */
  profiles: z.record(z.string(), z.strictObject({ dir: z.string() })),
});

export type Profiles = z.output<typeof schema>;

/** E_FILE when the file is damaged. */
export function readProfiles({ configDir }: Pick<Env, 'configDir'>): Profiles {
  const file = fileOf(configDir);
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) return { current: null, profiles: {} };
    throw new BusError('E_FILE', `${file} is not a file of profiles: mend or remove it`, { cause });
  }
}

export function writeProfiles({ configDir }: Pick<Env, 'configDir'>, profiles: Profiles): Promise<void> {
  return writeFileAtomic(fileOf(configDir), `${JSON.stringify(profiles, null, 2)}\n`);
}

/** The directory of the profile that is named or in use; undefined without any. E_UNKNOWN_NOUN E_FILE */
export function profileDir(env: Pick<Env, 'configDir' | 'profile'>): string | undefined {
  const { current, profiles } = readProfiles(env);
  const name = env.profile ?? current;
  return name === null ? undefined : requireProfile(profiles, name).dir;
}

/** E_UNKNOWN_NOUN */
export function requireProfile(profiles: Profiles['profiles'], name: string): { dir: string } {
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (profile === undefined) throw new BusError('E_UNKNOWN_NOUN', `there is no profile ${printable(name)}`);
  return profile;
}

function fileOf(configDir: string): string {
  return join(configDir, 'profiles.json');
}
