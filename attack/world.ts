/**
 * The lab that is attacked, and what an attacker holds in it: applications' credentials, whole site directories, the wire.
 *
 *   tokyo ══ osaka ══ frankfurt      acme (victim): trade tokyo ─▶ risk at frankfurt, osaka only carries
 *     ╚═══════ lima ══════╝          acme/rogue: an application of the same customer · globex: another customer
 *   links that cost more: osaka ── lima, tokyo ── frankfurt · initech: terminals that are revoked, applications kept apart
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, credsAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { createAdminClient, createControlClient, readSnapshot } from '../src/api/index.ts';
import type { ControlClient } from '../src/api/methods.ts';
import type { Snapshot, SnapshotCustomer } from '../src/api/snapshot.ts';
import { systemClock } from '../src/clock.ts';
import { decodeFrame, decodeSealed, type SealedEnvelope } from '../src/envelope/index.ts';
import { BusError, errorText } from '../src/errors.ts';
import { deriveTerminalKeys, type TerminalKeys } from '../src/keys/index.ts';
import { type LabInfo, labDown, labUp } from '../src/lab/index.ts';
import { KeyCalls } from '../src/sealing/key-calls.ts';
import { openConnection } from '../src/site/connections.ts';
import { type LinkSide, linkSides, linkSubject, openSiteDir, type SiteDir } from '../src/site/index.ts';
import { Victim } from './victim.ts';

const bus = `
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: osaka,     mode: server, address: "osaka.example.net:7422"}
  - {name: lima,      mode: server, address: "lima.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
customers:
  - name: acme
    terminals: [tokyo, osaka, lima, frankfurt]
    links:
      - {between: [tokyo, osaka], cost: 1}
      - {between: [osaka, frankfurt], cost: 1}
      - {between: [tokyo, lima], cost: 10}
      - {between: [lima, frankfurt], cost: 10}
      - {between: [osaka, lima], cost: 50}
      - {between: [tokyo, frankfurt], cost: 100}
    topics:
      - {name: trade, groups: [{name: risk, terminals: [frankfurt]}, {name: desk, terminals: [frankfurt]}]}
      - {name: quote, maxBytes: 1048576, groups: [{name: wall, terminals: [frankfurt]}]}
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
      - {name: rogue,       terminal: frankfurt, publish: [quote], consume: [quote@wall]}
      - {name: intruder,    terminal: tokyo,     publish: [quote]}
      - {name: leaver,      terminal: tokyo,     publish: [quote]}
  - name: globex
    maxConnections: 64
    terminals: [tokyo, frankfurt]
    links: [{between: [tokyo, frankfurt]}]
    topics:
      - {name: trade, groups: [{name: risk, terminals: [frankfurt]}]}
      - {name: plan,  groups: [{name: staff, terminals: [frankfurt]}]}
    apps:
      - {name: spy,  terminal: tokyo,     publish: [trade, plan], consume: []}
      - {name: mole, terminal: frankfurt, publish: [trade], consume: [trade@risk]}
  - name: initech
    isolateApps: true
    terminals: [tokyo, osaka, lima, frankfurt]
    links: [{between: [tokyo, osaka]}, {between: [tokyo, lima]}, {between: [tokyo, frankfurt]}]
    topics:
      - {name: memo, groups: [{name: staff, terminals: [frankfurt, lima, osaka]}]}
      - {name: till, groups: [{name: safe, terminals: [frankfurt]}]}
    apps:
      - {name: clerk, terminal: frankfurt, publish: [memo], consume: [memo@staff]}
      - {name: snoop, terminal: frankfurt, publish: [memo, till], consume: []}
`;

/** A site's directory in the hands of whoever broke in there. */
export interface SiteActor {
  name: string;
  dir: SiteDir;
  siteId: string;
  snapshot: Snapshot;
  /** signs as the site */
  control: ControlClient;
  customer(name: string): SnapshotCustomer;
  keys(customer: string): Promise<TerminalKeys>;
  /** asks the key service as the customer's terminal here; with other keys when they are given */
  calls(customer: string, keys?: TerminalKeys): Promise<KeyCalls>;
  link(customer: string, peer: string): Promise<WireEnd>;
}

/** The site's end of a link, beside its sidecar. */
export interface WireEnd {
  nc: NatsConnection;
  /** subject prefix towards the peer, and from it */
  out: string;
  in: string;
  side: LinkSide;
}

/** An envelope on its way, as the carrying site holds it. */
export interface Captured {
  frame: Buffer;
  manifest: Uint8Array;
  sealed: Buffer;
  envelope: SealedEnvelope;
}

export class World {
  readonly dir: string;
  readonly info: LabInfo;
  readonly admin: ControlClient;
  readonly victim = new Victim();
  readonly messages: number;
  readonly #open: (() => Promise<unknown>)[] = [];
  readonly #sites = new Map<string, Promise<SiteActor>>();
  #captured: Promise<Captured> | undefined;

  constructor(dir: string, info: LabInfo, admin: ControlClient, messages: number) {
    this.dir = dir;
    this.info = info;
    this.admin = admin;
    this.messages = messages;
  }

  /** Undone at the end, newest first. */
  onEnd(release: () => Promise<unknown>): void {
    this.#open.push(release);
  }

  async app(name: string, options: Partial<ConnectionOptions> = {}): Promise<NatsConnection> {
    const { nats, creds } = this.access(name);
    const nc = await connect({ servers: nats, authenticator: credsAuthenticator(await readFile(creds)), ...options });
    this.onEnd(() => nc.close());
    return nc;
  }

  access(app: string): { nats: string; creds: string } {
    const found = this.info.apps[app];
    if (found === undefined) throw new BusError('E_UNKNOWN_NOUN', `the lab has no application ${app}`);
    return found;
  }

  site(name: string): Promise<SiteActor> {
    const known = this.#sites.get(name) ?? this.#enter(name);
    this.#sites.set(name, known);
    return known;
  }

  /** One of the victim's envelopes, taken off the wire at osaka. */
  captured(): Promise<Captured> {
    this.#captured ??= this.#capture();
    return this.#captured;
  }

  async close(): Promise<void> {
    for (const release of this.#open.reverse()) await release().catch(() => undefined);
    await this.admin.close();
  }

  async #enter(name: string): Promise<SiteActor> {
    const dir = await openSiteDir(join(this.dir, 'sites', name));
    const stored = await dir.readSnapshot();
    if (stored === undefined) throw new BusError('E_SITE_DIR', `${name} has no snapshot`);
    const { siteId, busId, control } = dir.file;
    const snapshot = readSnapshot(stored, control.signKey);
    const sides = linkSides(snapshot);
    const findLink = (id: string): LinkSide => sides.find(({ linkId }) => linkId === id) ?? missing('link', id);
    const nc = await openConnection(dir, 'CTL', findLink, { name: 'attack' });
    this.onEnd(() => nc.close());
    const client = createControlClient({ nc, busId, callerId: siteId, caller: await dir.requestKey(), control });
    const customer = (wanted: string): SnapshotCustomer =>
      snapshot.customers.find((each) => each.name === wanted) ?? missing('customer', wanted);
    const keys = async (of: string) => deriveTerminalKeys(await dir.securekey(customer(of).terminalId));
    return {
      name,
      dir,
      siteId,
      snapshot,
      control: client,
      customer,
      keys,
      calls: async (of, other) => {
        const { id: customerId, terminalId } = customer(of);
        const serviceKey = (): string => snapshot.control.signKey;
        const common = { control: client, customerId, terminalId, serviceKey, clock: systemClock };
        return new KeyCalls({ ...common, keys: other ?? (await keys(of)) });
      },
      link: async (of, peer) => {
        const { id } = customer(of);
        const side = sides.find((each) => each.customerId === id && each.peerName === peer) ?? missing('link', peer);
        const wire = await openConnection(dir, { link: side.linkId }, findLink, { name: 'attack' });
        this.onEnd(() => wire.close());
        const subject = (from: string, to: string): string => `${linkSubject(from, to)}.`;
        const ends = { out: subject(side.selfSite, side.peerSite), in: subject(side.peerSite, side.selfSite) };
        return { nc: wire, side, ...ends };
      },
    };
  }

  async #capture(): Promise<Captured> {
    const wire = await (await this.site('osaka')).link('acme', 'tokyo');
    const frame = await firstFrame(wire);
    const decoded = decodeFrame(frame);
    if (decoded.kind !== 'envelope') throw new BusError('E_INTERNAL', 'the frame is no envelope');
    const sealed = Buffer.from(decoded.sealed);
    return { frame, manifest: decoded.manifest, sealed, envelope: decodeSealed(sealed) };
  }
}

function firstFrame({ nc, in: heard }: WireEnd): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const giveUp = setTimeout(() => reject(new BusError('E_TIMEOUT', 'no envelope passes osaka')), 20_000);
    const subscription = nc.subscribe(`${heard}f`, {
      callback: (_, message) => {
        // second byte: 1 is an envelope
        if (message.data[1] !== 1) return;
        clearTimeout(giveUp);
        subscription.unsubscribe();
        resolve(Buffer.from(message.data));
      },
    });
  });
}

function missing(what: string, name: string): never {
  throw new BusError('E_UNKNOWN_NOUN', `the lab has no ${what} ${name}`);
}

/** The lab with the victim's traffic flowing; `down` ends both. */
export async function startWorld(options: {
  messages: number;
  progress: (line: string) => void;
}): Promise<{ world: World; down: () => Promise<void> }> {
  const parent = await mkdtemp(join(tmpdir(), 'mbus-attack-'));
  const dir = join(parent, 'lab');
  const info = await labUp({ text: bus, fileName: 'attack.yaml', dir, progress: options.progress }).catch(
    async (error: unknown) => {
      await rm(parent, { recursive: true, force: true });
      throw error;
    },
  );
  const world = new World(dir, info, await createAdminClient(join(dir, 'control')), options.messages);
  const down = async (): Promise<void> => {
    await world.close();
    await labDown(dir);
    await rm(parent, { recursive: true, force: true });
  };
  try {
    const patient = { maxReconnectAttempts: -1, ignoreAuthErrorAbort: true };
    const publisher = await world.app('acme/exchange', patient);
    world.victim.start(publisher, await world.app('acme/risk-engine', patient), 40);
    if (!(await world.victim.flows(60_000))) throw new BusError('E_TIMEOUT', 'the victim’s messages do not arrive');
    return { world, down };
  } catch (error) {
    await down();
    throw error;
  }
}

/** As codeOf, for a question to the key service: `unfit` when it answered, and the answer is of no use to who asked. */
export async function keyCodeOf(work: Promise<unknown>): Promise<string> {
  let isUnfit = false;
  const code = await codeOf(
    work.catch((error: unknown) => {
      isUnfit = errorText(error).includes('does not fit the request');
      throw error;
    }),
  );
  return isUnfit ? 'unfit' : code;
}

/** The code of a rejected promise, `given` when it was not rejected. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'given';
  } catch (error) {
    if (error instanceof BusError) return error.code;
    return error instanceof Error ? error.name : 'error';
  }
}

/** Polls until `check` is true; false when it never is. */
export async function soon(check: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    if (await check()) return true;
    await delay(50);
  }
  return false;
}
