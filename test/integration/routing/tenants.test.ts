/**
 * Two customers on the same three sites, with different links:
 *
 *   acme      tokyo ══ frankfurt ══ virginia           every ══ is a leaf link of one customer alone;
 *   globex    tokyo ═══════════════ virginia           virginia is a client site and dials
 */
import { readFile } from 'node:fs/promises';
import { jetstream } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import { labLinks, labStatus } from '../../../src/lab/index.ts';
import { type TestLab, useLabs } from '../../support/lab.ts';
import { until } from '../../support/tcp.ts';

const labs = useLabs();
const messages = 300;

const bus = `
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
  - {name: virginia,  mode: client}
customers:
  - name: acme
    terminals: [tokyo, frankfurt, virginia]
    links:
      - {between: [tokyo, frankfurt], compress: never}
      - {between: [virginia, frankfurt], compress: never}
    topics: [{name: trade, groups: [{name: archive, terminals: [virginia]}]}]
    apps:
      - {name: exchange, terminal: tokyo,    publish: [trade]}
      - {name: archiver, terminal: virginia, consume: [trade@archive]}
  - name: globex
    terminals: [tokyo, frankfurt, virginia]
    links:
      - {between: [tokyo, virginia], compress: never}
      - {between: [virginia, frankfurt], cost: 50, compress: never}
    topics: [{name: trade, groups: [{name: archive, terminals: [virginia]}]}]
    apps:
      - {name: exchange, terminal: tokyo,    publish: [trade]}
      - {name: archiver, terminal: virginia, consume: [trade@archive]}
`;

async function send(lab: TestLab, customer: string, payload: string): Promise<void> {
  const nc = await lab.connect(`${customer}/exchange`);
  const js = jetstream(nc);
  for (let n = 0; n < messages; n++) await js.publish('trade.eu', `${n} ${payload}`);
}

async function receiveAll(lab: TestLab, customer: string, payload: string): Promise<void> {
  const nc = await lab.connect(`${customer}/archiver`);
  const consumer = await jetstream(nc).consumers.get('trade@archive', 'archive');
  const seen = new Set<string>();
  await until(
    `${customer}'s messages at virginia`,
    async () => {
      for await (const message of await consumer.fetch({ max_messages: 100, expires: 1_000 })) {
        seen.add(message.string());
        message.ack();
      }
      return seen.size >= messages;
    },
    60_000,
  );
  expect([...seen].every((text) => text.endsWith(payload))).toBe(true);
}

/** Bytes that crossed each link since `before`, hellos included. */
async function grown(lab: TestLab, before: Map<string, number>): Promise<Map<string, number>> {
  const links = await labLinks(lab.dir);
  return new Map(links.map(({ link, bytes }) => [link, bytes.up + bytes.down - (before.get(link) ?? 0)]));
}

/** Bytes that all servers took and gave on leaf connections of a customer's link accounts, by their own word. */
async function accountBytes(lab: TestLab, customer: string): Promise<number> {
  const { names } = await labStatus(lab.dir);
  const customerId = Object.keys(names).find((id) => names[id] === customer) ?? '?';
  let sum = 0;
  for (const site of ['tokyo', 'frankfurt', 'virginia']) {
    const { monitor } = await readJson<{ monitor: string }>(lab, site, 'site.json');
    const accounts = await readJson<Record<string, { publicKey: string }>>(lab, site, 'nats/accounts.json');
    const ofCustomer = new Set(
      Object.keys(accounts)
        .filter((key) => /^[LR]-/.test(key) && key.includes(customerId))
        .map((key) => accounts[key]?.publicKey),
    );
    const page = (await (await fetch(`http://${monitor}/leafz`)).json()) as { leafs: LeafRow[] };
    for (const { account, in_bytes, out_bytes } of page.leafs) if (ofCustomer.has(account)) sum += in_bytes + out_bytes;
  }
  return sum;
}

interface LeafRow {
  account: string;
  in_bytes: number;
  out_bytes: number;
}

async function readJson<T>(lab: TestLab, site: string, name: string): Promise<T> {
  return JSON.parse(await readFile(`${lab.dir}/sites/${site}/${name}`, 'utf8')) as T;
}

test('a customer’s envelopes cross its own links and terminals only', async () => {
  const lab = await labs.start(bus);
  const incompressible = [...crypto.getRandomValues(new Uint8Array(3_000))].map((byte) => byte.toString(36)).join('');
  const acmeLinks = ['link/acme/frankfurt/tokyo', 'link/acme/frankfurt/virginia'];
  const globexLinks = ['link/globex/tokyo/virginia', 'link/globex/frankfurt/virginia'];
  const least = messages * 3_000;
  for (const [customer, other, uses, avoids] of [
    ['globex', 'acme', ['link/globex/tokyo/virginia'], [...acmeLinks, 'link/globex/frankfurt/virginia']],
    ['acme', 'globex', acmeLinks, globexLinks],
  ] as const) {
    const before = await grown(lab, new Map());
    const [own, foreign] = [await accountBytes(lab, customer), await accountBytes(lab, other)];
    await send(lab, customer, incompressible);
    await receiveAll(lab, customer, incompressible);
    const bytes = await grown(lab, before);
    for (const link of uses) expect([link, (bytes.get(link) ?? 0) > least]).toEqual([link, true]);
    // hellos and records go on there: far less than these messages
    for (const link of avoids) expect([link, (bytes.get(link) ?? 0) < least / 5]).toEqual([link, true]);
    expect((await accountBytes(lab, customer)) - own).toBeGreaterThan(2 * least * uses.length - least / 5);
    expect((await accountBytes(lab, other)) - foreign).toBeLessThan(least / 5);
  }
});
