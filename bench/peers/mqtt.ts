/**
 * As much of MQTT 3.1.1 as the bench needs: a session that is kept, QoS 1 both ways, many messages under way. Written for
 * speed, because what it takes of the cores is missing to the brokers that are measured.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { BusError } from '../../src/errors.ts';

const kind = { connect: 1, connack: 2, publish: 3, puback: 4, subscribe: 8, suback: 9 } as const;
const maxUnderWay = 1_000;
const maxPacketId = 65_535;

interface MqttOptions {
  port: number;
  /** a session of this name is kept by the broker while nobody is connected */
  clientId: string;
  onMessage?: (payload: Buffer) => void;
}

export class MqttClient {
  readonly #socket: Socket;
  readonly #onMessage: (payload: Buffer) => void;
  readonly #acks = new Map<number, () => void>();
  readonly #room: (() => void)[] = [];
  #waiting: ((kind: number) => void) | undefined;
  #unread: Buffer = Buffer.alloc(0);
  #packetId = 0;

  private constructor(socket: Socket, onMessage: (payload: Buffer) => void) {
    this.#socket = socket;
    this.#onMessage = onMessage;
    socket.on('data', (bytes) => this.#read(bytes));
    socket.on('error', () => undefined);
  }

  static async connect({ port, clientId, onMessage = () => undefined }: MqttOptions): Promise<MqttClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    const client = new MqttClient(socket, onMessage);
    // protocol level 4, the session stays, no keep-alive
    await client.#ask(kind.connack, packet(kind.connect, 0, [text('MQTT'), Buffer.from([4, 0, 0, 0]), text(clientId)]));
    return client;
  }

  /** Resolves when the broker has acknowledged it. */
  async publish(topic: string, payload: Buffer): Promise<void> {
    while (this.#acks.size >= maxUnderWay) await new Promise<void>((resolve) => this.#room.push(resolve));
    const id = this.#nextId();
    const acked = new Promise<void>((resolve) => this.#acks.set(id, resolve));
    this.#socket.write(packet(kind.publish, 2, [text(topic), u16(id), payload]));
    await acked;
  }

  async subscribe(topic: string): Promise<void> {
    await this.#ask(kind.suback, packet(kind.subscribe, 2, [u16(this.#nextId()), text(topic), Buffer.from([1])]));
  }

  async close(): Promise<void> {
    this.#socket.destroy();
  }

  #nextId(): number {
    this.#packetId = (this.#packetId % maxPacketId) + 1;
    return this.#packetId;
  }

  async #ask(wanted: number, bytes: Buffer): Promise<void> {
    const answer = new Promise<number>((resolve) => {
      this.#waiting = resolve;
    });
    this.#socket.write(bytes);
    if ((await answer) !== wanted) throw new BusError('E_INTERNAL', 'bench: the MQTT broker answered something else');
  }

  #read(bytes: Buffer): void {
    const all = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    const acks: Buffer[] = [];
    let at = 0;
    for (let next = frameAt(all, at); next !== null; next = frameAt(all, at)) {
      this.#take(all[at] ?? 0, all.subarray(next.start, next.end), acks);
      at = next.end;
    }
    this.#unread = all.subarray(at);
    if (acks.length > 0) this.#socket.write(Buffer.concat(acks));
  }

  #take(head: number, body: Buffer, acks: Buffer[]): void {
    if (head >> 4 === kind.publish) {
      const idAt = 2 + body.readUInt16BE(0);
      const hasId = (head & 6) !== 0;
      if (hasId) acks.push(packet(kind.puback, 0, [body.subarray(idAt, idAt + 2)]));
      this.#onMessage(Buffer.from(body.subarray(idAt + (hasId ? 2 : 0))));
    } else if (head >> 4 === kind.puback) {
      const id = body.readUInt16BE(0);
      this.#acks.get(id)?.();
      this.#acks.delete(id);
      this.#room.shift()?.();
    } else this.#waiting?.(head >> 4);
  }
}

/** Where the body of the packet at `at` begins and ends; null while it is not whole. */
function frameAt(bytes: Buffer, at: number): { start: number; end: number } | null {
  let length = 0;
  for (let place = 0; place < 4; place++) {
    const byte = bytes[at + 1 + place];
    if (byte === undefined) return null;
    length += (byte & 127) * 128 ** place;
    if (byte >= 128) continue;
    const start = at + 2 + place;
    return start + length <= bytes.length ? { start, end: start + length } : null;
  }
  return null;
}

function packet(type: number, flags: number, parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head = [(type << 4) | flags];
  for (let rest = length; ; ) {
    const low = rest % 128;
    rest = (rest - low) / 128;
    head.push(rest > 0 ? low | 128 : low);
    if (rest === 0) break;
  }
  return Buffer.concat([Buffer.from(head), ...parts]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u16(bytes.length), bytes]);
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}
