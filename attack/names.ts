/** T8: names that are wildcards, paths, protocol, SQL or too long, at every door they could come in by. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseBusFile } from '../src/config/parse.ts';
import { isBusError } from '../src/errors.ts';
import { type Attack, type Outcome, verdict } from './attack.ts';
import { database } from './looks.ts';
import { codeOf, type World } from './world.ts';

const badNames = [
  ...['a.>', '*', 'a..b', '$SYS.x', 'x\r\nPUB a 1\r\n1', 'a\u0000b', 'a\u202eb', 'x'.repeat(10_000), '../x'],
  ...["'; drop table sites; --", '_a', 'mbx', '', ' ', '-'.repeat(65)],
];

async function names(world: World): Promise<Outcome> {
  const problems = [...inFile(), ...(await overTheApi(world)), ...(await onCommandLines(world))];
  problems.push(...(await inTables(world)));
  return verdict(problems, `${badNames.length} names in file, API, token, command line and tables refused by name`);
}

const shownAs = (bad: string): string => JSON.stringify(bad).slice(0, 20);

function inFile(): string[] {
  return badNames.flatMap((bad) => {
    const quoted = JSON.stringify(bad);
    const files = [
      `sites: [{name: ${quoted}, mode: client}]`,
      `sites: [{name: a, mode: client}]\ncustomers: [{name: ${quoted}, terminals: [a]}]`,
      `sites: [{name: a, mode: client}]\ncustomers: [{name: c, terminals: [a], topics: [{name: ${quoted}}]}]`,
    ];
    return files.flatMap((text) => {
      try {
        parseBusFile(text, 'x');
        return [`the file takes ${shownAs(bad)}`];
      } catch (error) {
        return isBusError(error) ? [] : [`${shownAs(bad)}: no named error`];
      }
    });
  });
}

async function overTheApi({ admin }: World): Promise<string[]> {
  const { file } = await admin.call('bus.export', {});
  const problems: string[] = [];
  for (const bad of badNames) {
    const applied = { file: { ...file, sites: [...file.sites, { name: bad }] } as never };
    const code = await codeOf(admin.call('bus.apply', applied));
    if (code !== 'E_REQUEST_BAD') problems.push(`the API says ${code} to ${shownAs(bad)}`);
    const token = await codeOf(admin.call('token.create', { site: bad.slice(0, 64) }));
    if (token === 'given') problems.push(`a token for ${shownAs(bad)}`);
  }
  return problems;
}

async function onCommandLines({ dir }: World): Promise<string[]> {
  const cli = fileURLToPath(new URL('../cli/mbus.js', import.meta.url));
  const problems: string[] = [];
  // no process can be given a NUL
  for (const bad of badNames.filter((each) => !each.includes('\u0000'))) {
    const { code, said } = await run([cli, 'topic', 'keys', `acme/${bad}`, '--dir', join(dir, 'control')]);
    const isNamed = (code === 1 || code === 2) && /\bE_[A-Z_]+\b/.test(said);
    if (!isNamed) problems.push(`mbus topic keys ${shownAs(bad)}: exit code ${code}`);
  }
  return problems;
}

function run(args: string[]): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString('utf8');
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, said })));
}

/** Past every other check, with the rights of the database's owner. */
async function inTables(world: World): Promise<string[]> {
  const client = await database(world);
  const problems: string[] = [];
  for (const table of ['sites', 'customers', 'topics', 'groups', 'apps']) {
    for (const bad of badNames) {
      await client.query('begin');
      const put = `update ${table} set name = $1 where id = (select id from ${table} limit 1)`;
      const isTaken = await client.query(put, [bad]).then(
        ({ rowCount }) => rowCount === 1,
        () => false,
      );
      await client.query('rollback');
      if (isTaken) problems.push(`table ${table} takes ${shownAs(bad)}`);
    }
  }
  return problems;
}

export const nameAttacks: Attack[] = [
  {
    id: 'T8',
    attempt: 'names that are no names, in file, API, token, command line and tables',
    defence: 'names',
    run: names,
  },
];
