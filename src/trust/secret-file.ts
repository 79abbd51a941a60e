/**
 * Files that hold secrets: 0600, written to a temporary name, synced and renamed, so that a crash or a power cut leaves
 * the old file or the new one. Directories made on the way are 0700. Nothing here ever logs a content.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The directory and those above it, 0700. One after the other: mkdir's own `recursive` never ends below /proc. */
export async function makeDirs(path: string): Promise<void> {
  const make = (): Promise<void> =>
    mkdir(path, { mode: 0o700 }).catch(async (error: unknown) => {
      if (!isErrno(error, 'EEXIST') || !(await stat(path)).isDirectory()) throw error;
    });
  await make().catch(async (error: unknown) => {
    if (!isErrno(error, 'ENOENT') || dirname(path) === path) throw error;
    await makeDirs(dirname(path));
    await make();
  });
}

/** Replaces `path` as one step. `mode` is 0600 unless the content is public. */
export async function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  await makeDirs(dirname(path));
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Until then a power cut may bring the old name back. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The file's bytes, or undefined when there is none. */
export async function readFileIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Keeps what stands in the file; makes it when there is none. Of two processes at once both get the one that won. */
export async function loadOrCreateSecret(
  path: string,
  create: () => Uint8Array | Promise<Uint8Array>,
): Promise<Buffer> {
  const present = await readFileIfThere(path);
  if (present) return present;
  await makeDirs(dirname(path));
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFileAtomic(temporary, await create());
    await link(temporary, path);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  return readFile(path);
}

/** Narrows a caught value to a system error of the given code. */
export function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);
}
