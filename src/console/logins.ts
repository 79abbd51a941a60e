/**
 * Who is in front of the console. A login code becomes a session cookie that scripts cannot read and that no other site's
 * page can make a browser send; wrong codes are few per minute and address, and each login and refusal is in the audit log.
 */
import type { IncomingMessage } from 'node:http';
import { BusError, isBusError } from '../errors.ts';
import {
  appendAudit,
  endConsoleSession,
  findConsoleSession,
  type Registry,
  startConsoleSession,
} from '../registry/index.ts';

export interface Session {
  actor: string;
  cookie: string;
}

const wrongPerMinute = 10;
const mostAddresses = 10_000;
const cookiePattern = /^[A-Za-z0-9_-]{43}$/;

export class Logins {
  readonly #db: Registry;
  readonly #isSecure: boolean;
  /** wrong codes of the running minute by address */
  #wrong = new Map<string, number>();
  #minute = 0;

  constructor(db: Registry, isSecure: boolean) {
    this.#db = db;
    this.#isSecure = isSecure;
  }

  /** The browser's session. E_CONSOLE_LOGIN when it has none that is good. */
  async require(request: IncomingMessage): Promise<Session> {
    const cookie = this.#cookieOf(request);
    const actor = cookie === undefined ? undefined : await this.actorOf(cookie);
    if (cookie === undefined || actor === undefined) throw new BusError('E_CONSOLE_LOGIN', 'log in first');
    return { actor, cookie };
  }

  /** Undefined when the session has ended. */
  actorOf(cookie: string): Promise<string | undefined> {
    return findConsoleSession(this.#db, cookie);
  }

  /** Uses the code up and returns the Set-Cookie header. E_CONSOLE_LOGIN E_CONSOLE_BUSY */
  async login(code: string, address: string): Promise<string> {
    if (this.#wrongOf(address) >= wrongPerMinute)
      throw new BusError('E_CONSOLE_BUSY', 'too many wrong login codes from this address: wait a minute');
    try {
      return await this.#db.transaction().execute(async (trx) => {
        const { actor, cookie } = await startConsoleSession(trx, code);
        await appendAudit(trx, { actor, action: 'console.login', noun: 'console', details: { address } });
        return this.#header(cookie);
      });
    } catch (error) {
      if (isBusError(error, 'E_CONSOLE_LOGIN')) await this.#noteWrong(address);
      throw error;
    }
  }

  /** Ends the session and returns the header that takes the cookie back. */
  async logout({ cookie, actor }: Session): Promise<string> {
    await this.#db.transaction().execute(async (trx) => {
      await endConsoleSession(trx, cookie);
      await appendAudit(trx, { actor, action: 'console.logout', noun: 'console' });
    });
    return `${this.#header('')}; Max-Age=0`;
  }

  /** A browser takes a `__Host-` cookie only from this very host, over TLS. */
  get #name(): string {
    return this.#isSecure ? '__Host-mbus-console' : 'mbus-console';
  }

  #header(value: string): string {
    return `${this.#name}=${value}; Path=/; HttpOnly; SameSite=Strict${this.#isSecure ? '; Secure' : ''}`;
  }

  #cookieOf({ headers }: IncomingMessage): string | undefined {
    const values = (headers.cookie ?? '').split(/;\s*/).flatMap((pair) => {
      const [name, value = ''] = pair.split('=');
      return name === this.#name ? [value] : [];
    });
    // two of them: one was planted
    const [cookie, ...more] = values;
    return cookie !== undefined && more.length === 0 && cookiePattern.test(cookie) ? cookie : undefined;
  }

  #wrongOf(address: string): number {
    const minute = Math.floor(performance.now() / 60_000);
    if (minute !== this.#minute || this.#wrong.size > mostAddresses) this.#wrong = new Map();
    this.#minute = minute;
    return this.#wrong.get(address) ?? 0;
  }

  async #noteWrong(address: string): Promise<void> {
    this.#wrong.set(address, this.#wrongOf(address) + 1);
    await appendAudit(this.#db, {
      actor: 'console',
      action: 'refused console.login',
      noun: 'console',
      details: { address },
    });
  }
}
