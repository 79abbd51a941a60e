/**
 * Open pages: each holds a stream of server-sent events (`view`, `trouble`, `end`). A page that does not read fast enough
 * misses views, never the newest; one whose session has ended is told so and closed.
 */
import type { ServerResponse } from 'node:http';
import { systemClock } from '../clock.ts';
import { BusError } from '../errors.ts';
import type { Feed, FeedEvent } from './feed.ts';
import type { Logins, Session } from './logins.ts';

const mostStreams = 200;
const mostPerSession = 10;
const checkEveryMs = 2_000;
/** what may wait for a slow page, bytes */
const backlogBytes = 1_048_576;

export class Streams {
  readonly #feed: Feed;
  readonly #logins: Logins;
  readonly #open = new Map<ServerResponse, { cookie: string; leave: () => void }>();

  constructor(feed: Feed, logins: Logins) {
    this.#feed = feed;
    this.#logins = logins;
  }

  /** Holds the response until the page goes. E_CONSOLE_BUSY */
  open(response: ServerResponse, { cookie }: Session): void {
    const own = [...this.#open.values()].filter((each) => each.cookie === cookie).length;
    if (this.#open.size >= mostStreams || own >= mostPerSession)
      throw new BusError('E_CONSOLE_BUSY', 'too many open pages: close one that nobody looks at');
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.flushHeaders();
    let missed: FeedEvent | undefined;
    const send = (event: FeedEvent): void => {
      missed = response.writableLength > backlogBytes ? event : undefined;
      if (missed === undefined) response.write(`event: ${event.kind}\ndata: ${event.json}\n\n`);
    };
    response.on('drain', () => {
      if (missed !== undefined) send(missed);
    });
    this.#open.set(response, { cookie, leave: this.#feed.subscribe(send) });
    response.once('close', () => this.#forget(response));
  }

  /** Tells the pages of a session that it has ended. */
  end(cookie: string): void {
    for (const [response, each] of [...this.#open]) {
      if (each.cookie !== cookie) continue;
      this.#forget(response);
      response.end('event: end\ndata: {}\n\n');
    }
  }

  /** Looks after sessions that ended elsewhere; runs until the signal aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await systemClock.sleep(checkEveryMs, signal).catch(() => undefined);
      for (const cookie of new Set([...this.#open.values()].map((each) => each.cookie))) {
        // a database that is away ends nothing: the feed tells of it
        const actor = await this.#logins.actorOf(cookie).catch(() => 'unknown');
        if (actor === undefined) this.end(cookie);
      }
      for (const response of this.#open.keys()) response.write(': still here\n\n');
    }
  }

  #forget(response: ServerResponse): void {
    this.#open.get(response)?.leave();
    this.#open.delete(response);
  }
}
