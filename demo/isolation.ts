/**
 * Customer B's try at customer A's messages, with B's own valid credentials at every site: subscribe to everything, address
 * A's streams and consumers, publish into A's topics, use a credential at a site it was not made for.
 *
 * An attempt leaks when anything of A's comes back: a message, an answer that is no refusal, a stored publish, a connection.
 */
import { readFile } from 'node:fs/promises';
import { connect, credsAuthenticator, type Msg, type NatsConnection } from '@nats-io/transport-node';
import type { AppAccess } from './clients.ts';
import { eventIdHeader } from './ledger.ts';

const requestTimeoutMs = 1000;
/** what B publishes into A's topics; hearing it again inside B's own account is no leak */
const forgery = 'forged by another customer';

export interface IntruderOptions {
  /** B's applications, at different sites */
  accesses: readonly AppAccess[];
  /** an address of another site for each of them, where its credential is worth nothing */
  otherSites: readonly string[];
  victimTopics: readonly string[];
  victimGroups: readonly string[];
  /** what event ids of the victim begin with */
  victimPrefix: string;
}

export class Intruder {
  #attempts = 0;
  #leaks = 0;
  readonly #options: IntruderOptions;
  readonly #connections: NatsConnection[] = [];

  constructor(options: IntruderOptions) {
    this.#options = options;
  }

  get result(): { attempts: number; leaks: number } {
    return { attempts: this.#attempts, leaks: this.#leaks };
  }

  /** Subscribes to whatever might carry A's messages; what comes until close counts. */
  async listen(): Promise<void> {
    for (const access of this.#options.accesses) {
      const nc = await connectAs(access.nats, access.creds);
      this.#connections.push(nc);
      for (const subject of this.#listenSubjects()) this.#subscribe(nc, subject);
      await nc.flush();
    }
  }

  /** Asks, publishes and knocks; resolves when every attempt has its answer. */
  async attack(): Promise<void> {
    const { accesses, otherSites } = this.#options;
    const requests = this.#connections.flatMap((nc) => [
      ...this.#readRequests().map(([subject, body]) => this.#ask(nc, subject, body)),
      ...this.#options.victimTopics.flatMap((topic) =>
        this.#publishSubjects(topic).map((s) => this.#ask(nc, s, forgery)),
      ),
    ]);
    const knocks = accesses.map((access, i) => this.#knock(otherSites[i] ?? access.nats, access.creds));
    await Promise.all([...requests, ...knocks]);
  }

  async close(): Promise<void> {
    await Promise.all(this.#connections.map((nc) => nc.close()));
  }

  #listenSubjects(): string[] {
    const topics = this.#options.victimTopics.flatMap((topic) => [topic, `${topic}.>`]);
    return ['>', '*.>', '*', '$JS.>', '$SYS.>', '_mb.>', 'mb.>', '_INBOX.>', ...topics];
  }

  #readRequests(): [subject: string, body: string][] {
    const { victimTopics, victimGroups } = this.#options;
    const streams = victimTopics.flatMap((topic) => [topic, ...victimGroups.map((group) => `${topic}@${group}`)]);
    const lists: [string, string][] = [
      ['$JS.API.STREAM.NAMES', ''],
      ['$JS.API.STREAM.LIST', ''],
    ];
    const reads = streams.flatMap((stream): [string, string][] => [
      [`$JS.API.STREAM.INFO.${stream}`, ''],
      [`$JS.API.STREAM.MSG.GET.${stream}`, '{"seq":1}'],
      [`$JS.API.DIRECT.GET.${stream}`, '{"seq":1}'],
      [`$JS.API.CONSUMER.NAMES.${stream}`, ''],
    ]);
    const pulls = victimTopics.flatMap((topic) =>
      victimGroups.map((group): [string, string] => [
        `$JS.API.CONSUMER.MSG.NEXT.${topic}@${group}.${group}`,
        '{"batch":1,"no_wait":true}',
      ]),
    );
    return [...lists, ...reads, ...pulls];
  }

  #publishSubjects(topic: string): string[] {
    return [topic, `${topic}.forged`, `_mb.in.guess.${topic}`];
  }

  #subscribe(nc: NatsConnection, subject: string): void {
    this.#attempts += 1;
    nc.subscribe(subject, {
      callback: (error, message) => {
        if (!error && this.#isVictims(message)) this.#leaks += 1;
      },
    });
  }

  /** A reply that is no refusal is a leak. */
  async #ask(nc: NatsConnection, subject: string, body: string): Promise<void> {
    this.#attempts += 1;
    const reply = await nc.request(subject, body, { timeout: requestTimeoutMs }).catch(() => undefined);
    if (reply && !isRefusal(reply)) this.#leaks += 1;
  }

  async #knock(url: string, creds: string): Promise<void> {
    this.#attempts += 1;
    const nc = await connectAs(url, creds).catch(() => undefined);
    if (!nc) return;
    this.#leaks += 1;
    await nc.close();
  }

  #isVictims(message: Msg): boolean {
    const { victimPrefix, victimTopics } = this.#options;
    if (message.string() === forgery) return false;
    const [topic = ''] = message.subject.split('.');
    return victimTopics.includes(topic) || (message.headers?.get(eventIdHeader) ?? '').startsWith(victimPrefix);
  }
}

async function connectAs(url: string, creds: string): Promise<NatsConnection> {
  const authenticator = credsAuthenticator(await readFile(creds));
  const nc = await connect({ servers: url, authenticator, reconnect: false, timeout: 5000, name: 'intruder' });
  // permission violations arrive here as well; they are the expected answer
  void (async () => {
    for await (const _ of nc.status());
  })();
  return nc;
}

function isRefusal(reply: Msg): boolean {
  const status = reply.headers?.code ?? 0;
  if (status >= 400) return true;
  try {
    const answer: unknown = reply.json();
    return typeof answer === 'object' && answer !== null && 'error' in answer;
  } catch {
    return false;
  }
}
