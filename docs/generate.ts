/** `npm run docs`: writes the pages that are made from the source. */
import { readFile, writeFile } from 'node:fs/promises';
import { metricsPage } from './metrics-page.ts';
import { cliPage, errorsPage, securityPage } from './pages.ts';

const here = (name: string): URL => new URL(name, import.meta.url);

await writeFile(here('errors.md'), errorsPage());
await writeFile(here('metrics.md'), metricsPage());
await writeFile(here('cli.md'), await cliPage(await readFile(here('cli-preamble.md'), 'utf8')));
await writeFile(here('security.md'), securityPage(await readFile(here('security.md'), 'utf8')));
