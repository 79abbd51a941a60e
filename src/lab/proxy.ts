/**
 * A TCP link one can spoil: listens on 127.0.0.1, forwards to a target, and cuts, silences, shapes or lets itself be
 * listened to. It never changes a byte and never changes their order (lane.ts).
 *
 *          cut()                          open      bytes pass, at the link's shape
 *   open ─────────▶ cut ──┐               cut       connections are reset at once, new ones closed at once
 *    ▲ └──silence()─▶ silent              silent    half-open: connections stay and new ones are accepted, no byte passes,
 *    └────restore()───┴───┘                         nothing is closed; after restore what was held arrives in order
 */
import { type AddressInfo, createServer, type Server, Socket } from 'node:net';
import { Lane, type LaneLink, type Shape, unshaped } from './lane.ts';

export type Flow = 'open' | 'cut' | 'silent';
/** up: from who dialled to the target; down: back */
export type Direction = 'up' | 'down';

export interface Target {
  host: string;
  port: number;
}

/** Somebody on the wire: sees every byte that passes. While it is full, the link waits. */
export interface Tap {
  isFull(): boolean;
  write(direction: Direction, bytes: Buffer): void;
}

export interface ProxyStats {
  flow: Flow;
  shape: Shape;
  connections: number;
  /** bytes handed on since the start */
  bytes: Record<Direction, number>;
}

interface Connection {
  client: Socket;
  server: Socket;
  target: Target;
  lanes: Lane[];
  endings: number;
}

const sockets = { allowHalfOpen: true, noDelay: true };

export class LinkProxy {
  readonly #listener: Server;
  readonly #connections = new Set<Connection>();
  readonly #taps = new Set<Tap>();
  readonly #bytes = { up: 0, down: 0 };
  #targets: Target[];
  #accepted = 0;
  #flow: Flow = 'open';
  /** the only direction that is silent, undefined: both */
  #silenced: Direction | undefined;
  #shape: Shape = unshaped;

  private constructor(targets: Target[]) {
    this.#targets = targets;
    this.#listener = createServer(sockets, (client) => this.#accept(client));
  }

  /** Listens on 127.0.0.1; port 0 takes a free one. Of several targets each connection takes the next. */
  static async listen(target: Target | Target[], port = 0): Promise<LinkProxy> {
    const proxy = new LinkProxy([target].flat());
    await new Promise<void>((resolve, reject) => {
      proxy.#listener.once('error', reject);
      proxy.#listener.listen(port, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  /** The first of them. */
  get target(): Target {
    return this.#targetAt(0);
  }

  #targetAt(turn: number): Target {
    const { length } = this.#targets;
    return this.#targets[turn % length] ?? { host: '127.0.0.1', port: 0 };
  }

  get stats(): ProxyStats {
    return { flow: this.#flow, shape: this.#shape, connections: this.#connections.size, bytes: { ...this.#bytes } };
  }

  cut(): void {
    this.#flow = 'cut';
    this.#silenced = undefined;
    for (const connection of this.#connections) this.#drop(connection);
  }

  /** Half-open in both directions, or in one. */
  silence(direction?: Direction): void {
    this.#flow = 'silent';
    this.#silenced = direction;
  }

  /** Undoes cut and silence; the shape stays. */
  restore(): void {
    this.#flow = 'open';
    for (const connection of this.#connections) {
      if (connection.server.pending && !connection.server.connecting) connection.server.connect(connection.target);
      for (const lane of connection.lanes) lane.update();
    }
  }

  shape(shape: Partial<Shape>): void {
    this.#shape = { ...unshaped, ...shape };
    for (const connection of this.#connections) for (const lane of connection.lanes) lane.update();
  }

  /** New connections go to `target`; the ones that stand stay where they are. */
  retarget(...targets: Target[]): void {
    this.#targets = targets;
  }

  /** Listens in on the wire until the returned function is called. */
  tap(tap: Tap): () => void {
    this.#taps.add(tap);
    return () => this.#taps.delete(tap);
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
  }

  #accept(client: Socket): void {
    client.on('error', () => undefined);
    if (this.#flow === 'cut') {
      client.resetAndDestroy();
      return;
    }
    const server = new Socket({ allowHalfOpen: true });
    server.setNoDelay(true);
    server.on('error', () => undefined);
    const target = this.#targetAt(this.#accepted++);
    const connection: Connection = { client, server, target, lanes: [], endings: 0 };
    connection.lanes.push(this.#lane(connection, 'up'), this.#lane(connection, 'down'));
    this.#connections.add(connection);
    if (this.#flow === 'open') server.connect(connection.target);
  }

  #lane(connection: Connection, direction: Direction): Lane {
    const { client, server } = connection;
    const [source, sink] = direction === 'up' ? [client, server] : [server, client];
    return new Lane(source, sink, this.#laneLink(direction), (ending) => {
      if (ending === 'reset') return this.#drop(connection);
      sink.end();
      connection.endings += 1;
      if (connection.endings === 2) this.#connections.delete(connection);
    });
  }

  #laneLink(direction: Direction): LaneLink {
    const shape = (): Shape => this.#shape;
    return {
      get shape() {
        return shape();
      },
      isHeld: () => this.#flow !== 'open' && (this.#silenced ?? direction) === direction,
      isBusy: () => [...this.#taps].some((tap) => tap.isFull()),
      onPass: (bytes) => {
        this.#bytes[direction] += bytes.length;
        for (const tap of this.#taps) tap.write(direction, bytes);
      },
    };
  }

  #drop(connection: Connection): void {
    this.#connections.delete(connection);
    for (const lane of connection.lanes) lane.stop();
    for (const socket of [connection.client, connection.server]) socket.resetAndDestroy();
  }
}
