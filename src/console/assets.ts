/**
 * The page's files, as they stand in console/, read once: plain ES modules that no build touches, and the chart library
 * from its package. Nothing else of the disk can be asked for, because only what is in the table is served.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

export interface Asset {
  type: string;
  bytes: Buffer;
  gzipped: Buffer;
  etag: string;
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** By path of the URL; `/` is the page. */
export async function readAssets(): Promise<ReadonlyMap<string, Asset>> {
  const directory = pageDirectory();
  const names = (await readdir(directory)).filter((name) => extname(name) in types);
  const chart = dirname(createRequire(import.meta.url).resolve('uplot'));
  const files: [string, string][] = [
    ...names.map((name): [string, string] => [`/${name === 'index.html' ? '' : name}`, join(directory, name)]),
    ['/vendor/uplot.js', join(chart, 'uPlot.esm.js')],
    ['/vendor/uplot.css', join(chart, 'uPlot.min.css')],
  ];
  return new Map(await Promise.all(files.map(async ([path, file]) => [path, await readAsset(file)] as const)));
}

async function readAsset(file: string): Promise<Asset> {
  const bytes = await readFile(file);
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  return { type: types[extname(file)] ?? 'application/octet-stream', bytes, gzipped: gzipSync(bytes), etag };
}

/** Above the source, or above dist/. */
function pageDirectory(): string {
  const beside = fileURLToPath(new URL('../../console/', import.meta.url));
  return existsSync(join(beside, 'index.html')) ? beside : fileURLToPath(new URL('../../../console/', import.meta.url));
}
