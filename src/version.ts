/** The package's version, from the package.json above src/ or above dist/src/. */
import { existsSync, readFileSync } from 'node:fs';

let known: string | undefined;

export function programVersion(): string {
  known ??= readVersion();
  return known;
}

function readVersion(): string {
  for (const up of ['../package.json', '../../package.json']) {
    const url = new URL(up, import.meta.url);
    if (existsSync(url)) return String((JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version);
  }
  return '0.0.0';
}
