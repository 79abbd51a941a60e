/**
 * How routing grows: the real flooding, database and path search for hundreds to ten thousand terminals of one customer, on
 * virtual time without sockets.
 *
 *   npx node bench/routing-sim.ts [--terminals 1000,10000] [--json]
 *
 * Cold start: every terminal's links come up at once. Where all records at once are too many for this process, only every
 * k-th terminal announces itself and the counts are multiplied: records travel independently of each other. Link change:
 * one link goes down and comes back, several times. Not modelled: bandwidth, and the time a terminal computes (given apart).
 */

import { generateKeyPairSync } from 'node:crypto';
import { runProgram, say, wholeNumber } from '../demo/program.ts';
import { columns } from '../demo/report.ts';
import { signerOf } from '../src/envelope/index.ts';
import { LinkStateDb } from '../src/routing/link-state-db.ts';
import { decodeRecord, isSignedBy, signRecord } from '../src/routing/records.ts';
import { SimNet, simId } from './sim-net.ts';

interface Result {
  terminals: number;
  links: number;
  /** records announced of this many terminals in the cold start, the counts are multiplied up */
  sample: number;
  coldMs: number;
  /** sent by one terminal, mean */
  coldRecords: number;
  coldBytes: number;
  /** until the last terminal knows, median and largest of the changes */
  changeMs: number;
  changeMaxMs: number;
  /** sent by one terminal for one change, mean */
  changeRecords: number;
  changeBytes: number;
  /** a minute's refresh, per terminal */
  steadyBytesPerSecond: number;
  /** one search of all paths, after new weights; CPU time, like what follows */
  pathMs: number;
  /** one signature */
  verifyMs: number;
  /** the database of one terminal that knows all */
  databaseBytes: number;
}

const linksEach = 4;
const maxDeliveries = 10_000_000;
const changes = 10;
const refreshSeconds = 60;

async function main(values: { terminals: string; json: boolean }): Promise<number> {
  const sizes = values.terminals.split(',').map((text) => wholeNumber('terminals', text, 2));
  const results = sizes.map((size) => {
    say(`${size} terminals …`);
    return simulate(size);
  });
  process.stdout.write(values.json ? `${JSON.stringify({ results })}\n` : render(results));
  return 0;
}

function simulate(terminals: number): Result {
  const net = new SimNet(terminals, linksEach, randomOf(terminals));
  const cold = coldStart(net);
  const change = linkChanges(net);
  return {
    terminals,
    links: net.links.length,
    ...cold,
    ...change,
    steadyBytesPerSecond: Math.round(cold.coldBytes / refreshSeconds),
    ...pathCost(net),
    ...databaseCost(terminals),
  };
}

function coldStart(net: SimNet): Pick<Result, 'sample' | 'coldMs' | 'coldRecords' | 'coldBytes'> {
  const { length } = net.nodes;
  const step = Math.max(1, Math.ceil((length * 2 * net.links.length) / maxDeliveries));
  const announcing = net.nodes.map((_, index) => index).filter((index) => index % step === 0);
  const startMs = net.clock.monotonicMs();
  const lastMs = watch(net);
  net.start(announcing);
  net.run();
  const factor = length / announcing.length;
  return {
    sample: announcing.length,
    coldMs: lastMs(announcing.length * (length - 1)) - startMs,
    coldRecords: Math.round(factor * mean(net.nodes.map(({ records }) => records))),
    coldBytes: Math.round(factor * mean(net.nodes.map(({ bytes }) => bytes))),
  };
}

function linkChanges(net: SimNet): Pick<Result, 'changeMs' | 'changeMaxMs' | 'changeRecords' | 'changeBytes'> {
  const times: number[] = [];
  net.resetCounts();
  for (let change = 0; change < changes; change++) {
    // not a link of the tree: everybody stays connected
    const link = net.links[net.links.length - 1 - (change >> 1)]!;
    net.clock.pass(5_000);
    const startMs = net.clock.monotonicMs();
    const lastMs = watch(net);
    net.setLink(link, !link.isUp);
    net.run();
    times.push(lastMs(2 * (net.nodes.length - 1)) - startMs);
  }
  times.sort((a, b) => a - b);
  return {
    changeMs: times[times.length >> 1]!,
    changeMaxMs: times.at(-1)!,
    changeRecords: mean(net.nodes.map(({ records }) => records)) / changes,
    changeBytes: Math.round(mean(net.nodes.map(({ bytes }) => bytes)) / changes),
  };
}

/** Counts what is taken as newer; the answer is when the last one was, once all of `expected` came. */
function watch(net: SimNet): (expected: number) => number {
  let taken = 0;
  let lastMs = Number.NaN;
  net.onNewer = () => {
    taken += 1;
    lastMs = net.clock.monotonicMs();
  };
  return (expected) => (taken >= expected ? lastMs : Number.NaN);
}

function pathCost(net: SimNet): Pick<Result, 'pathMs'> {
  const finder = net.pathFinder();
  const times = net.nodes.slice(0, 11).map(({ id }) => {
    const start = process.cpuUsage();
    for (const [position, { operatorCost, delayMs, isUp }] of net.links.entries()) {
      finder.setEdge(position, operatorCost * 1_000 + 10 * delayMs, isUp ? 'up' : 'down');
    }
    finder.from(id);
    return process.cpuUsage(start).user / 1_000;
  });
  return { pathMs: times.sort((a, b) => a - b)[5] ?? times[0]! };
}

/** One terminal's database with a record of everybody, and what checking each of them took. */
function databaseCost(terminals: number): Pick<Result, 'verifyMs' | 'databaseBytes'> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const signKey = publicKey.export({ format: 'jwk' }).x ?? '';
  const sign = signerOf(privateKey);
  const recordOf = (index: number): Buffer =>
    signRecord(
      {
        kind: 'links',
        customerId: simId(1, 0),
        terminalId: simId(2, index),
        sequence: 1,
        links: Array.from({ length: 2 * linksEach }, (_, at) => ({
          linkId: simId(3, index * 8 + at),
          isDegraded: false,
          extraMilli: 200,
          rttMs: 40,
        })),
      },
      sign,
    );
  const decoded = decodeRecord(recordOf(0));
  const start = process.cpuUsage();
  for (let round = 0; round < 200; round++) isSignedBy(decoded, publicKey);
  const verifyMs = process.cpuUsage(start).user / 1_000 / 200;
  const db = new LinkStateDb({
    customerId: simId(1, 0),
    selfId: simId(2, terminals),
    clock: { monotonicMs: () => 0, wallMs: () => 0, sleep: async () => undefined },
    configOf: () => ({ signKey, links: 2 * linksEach, groups: 0 }),
    ownRecord: () => undefined,
  });
  const before = usedBytes();
  for (let index = 0; index < terminals; index++) db.take('link', recordOf(index));
  const databaseBytes = usedBytes() - before;
  // the database must still be there when its memory is measured
  return { verifyMs, databaseBytes: db.get('links', simId(2, 0)) === undefined ? Number.NaN : databaseBytes };
}

function usedBytes(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** A fixed sequence per size, so that every run simulates the same net. */
function randomOf(seed: number): () => number {
  let state = (seed * 7_919 + 17) % 2_147_483_647;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function render(results: Result[]): string {
  const rows: [string, (result: Result) => string][] = [
    ['terminals', (r) => count(r.terminals)],
    ['links', (r) => count(r.links)],
    ['cold start: announced by', (r) => count(r.sample)],
    ['  all know all after', (r) => `${count(r.coldMs)} ms`],
    ['  records sent per terminal', (r) => count(r.coldRecords)],
    ['  bytes sent per terminal', (r) => size(r.coldBytes)],
    ['link change: all know after', (r) => `${count(r.changeMs)} ms`],
    ['  the slowest', (r) => `${count(r.changeMaxMs)} ms`],
    ['  records sent per terminal', (r) => r.changeRecords.toFixed(1)],
    ['  bytes sent per terminal', (r) => size(r.changeBytes)],
    ['refresh, per terminal', (r) => `${size(r.steadyBytesPerSecond)}/s`],
    ['search of all paths', (r) => `${r.pathMs.toFixed(1)} ms`],
    ['one signature', (r) => `${r.verifyMs.toFixed(2)} ms`],
    ['  of all at a cold start', (r) => `${count(r.verifyMs * r.terminals)} ms`],
    ['database of one terminal', (r) => size(r.databaseBytes)],
  ];
  return `${columns(rows.map(([label, cell]) => [label, ...results.map(cell)])).join('\n')}\n`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function size(bytes: number): string {
  if (bytes < 10_000) return `${count(bytes)} B`;
  return bytes < 10_000_000 ? `${count(bytes / 1_000)} kB` : `${count(bytes / 1_000_000)} MB`;
}

await runProgram({
  name: 'routing-sim',
  usage: 'Usage: node bench/routing-sim.ts [--terminals 100,1000,10000] [--json]\n',
  options: { terminals: { type: 'string', default: '100,1000,10000' }, json: { type: 'boolean', default: false } },
  run: main,
});
