/** Files named on a command line: every failure becomes E_FILE with the path. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { BusError, errorText } from '../src/errors.ts';

export async function readTextFile(path: string): Promise<string> {
  return (await readBytes(path)).toString('utf8');
}

export async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new BusError('E_FILE', `cannot read ${path}: ${errorText(error)}`, { cause: error });
  }
}

/** Writes whole or not at all, mode 0600 from the first byte on. */
export async function writeSecretFile(path: string, text: string | Uint8Array): Promise<void> {
  const part = `${path}.${process.pid}.part`;
  try {
    await writeFile(part, text, { mode: 0o600, flag: 'wx' });
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw new BusError('E_FILE', `cannot write ${path}: ${errorText(error)}`, { cause: error });
  }
}
