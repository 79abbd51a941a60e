/**
 * The JetStream API of one account: what the bus asks of it, and no more. A request that the model does not know is an error
 * of the simulation, told at once, so that the model cannot fall behind the product unseen.
 */
import { Consumer, type ConsumerConfig, type ConsumerHooks } from './consumer.ts';
import { headerBlock } from './headers.ts';
import { type Packet, type StoredMessage, Stream, type StreamConfig, type StreamHooks } from './stream.ts';

export interface ApiOptions {
  streams: Map<string, Stream>;
  streamHooks: StreamHooks;
  consumerHooks: ConsumerHooks;
  wallMs: (atMs: number) => number;
  /** markers cannot be read: a variant of the simulation */
  isMarkerHidden: boolean;
}

export interface ApiAnswer {
  headers: Uint8Array | null;
  data: Uint8Array;
}

interface Refusal {
  error: { code: number; err_code: number; description: string };
}

const prefix = '$JS.API.';
const noBytes = new Uint8Array(0);
const type = 'io.nats.jetstream.api.v1.';
const refusal = (code: number, err_code: number, description: string): Refusal => ({
  error: { code, err_code, description },
});
const streamNotFound = refusal(404, 10059, 'stream not found');
const consumerNotFound = refusal(404, 10014, 'consumer not found');
const notThere: ApiAnswer = { headers: headerBlock('404 Message Not Found'), data: noBytes };
const noMessage = refusal(404, 10037, 'no message found');

export class Api {
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /** Answers one request; with nothing where nothing is answered at once (a pull), or ever. */
  answer(packet: Packet): ApiAnswer[] {
    const tokens = packet.subject.slice(prefix.length).split('.');
    const [noun = '', verb = ''] = tokens;
    const body = parse(packet.data);
    if (noun === 'STREAM') return [json(this.#stream(tokens, body))];
    if (noun === 'DIRECT' && verb === 'GET') return this.#direct(tokens[2] ?? '', body);
    if (noun === 'CONSUMER' && verb === 'MSG') {
      this.#consumer(tokens[3], tokens[4])?.pull(packet.reply, body);
      return [];
    }
    if (noun === 'CONSUMER') return [json(this.#consumers(tokens, body))];
    throw new Error(`the simulated server does not know ${packet.subject}`);
  }

  acknowledge(subject: string): void {
    const [, , stream, consumer, , streamSeq, consumerSeq] = subject.split('.');
    this.#consumer(stream, consumer)?.acknowledge(Number(streamSeq), Number(consumerSeq));
  }

  #stream(tokens: string[], body: Record<string, unknown>): object {
    const [, verb, third = '', fourth = ''] = tokens;
    const { streams, streamHooks } = this.#options;
    if (verb === 'LIST') {
      const all = [...streams.values()].map((stream) => this.#infoOf(stream));
      return { type: `${type}stream_list_response`, total: all.length, offset: 0, limit: 256, streams: all };
    }
    if (verb === 'CREATE') {
      const config = body as StreamConfig;
      if (!streams.has(third)) streams.set(third, new Stream(config, streamHooks));
    }
    const stream = streams.get(verb === 'MSG' ? fourth : third);
    if (stream === undefined) return streamNotFound;
    switch (verb) {
      case 'CREATE':
      case 'INFO':
        return this.#infoOf(stream, body);
      case 'UPDATE':
        stream.config = body as StreamConfig;
        return this.#infoOf(stream);
      case 'DELETE':
        streams.delete(third);
        return { success: true };
      case 'PURGE':
        return { success: true, purged: stream.purge(body.seq as number | undefined) };
      case 'MSG':
        return third === 'DELETE' ? this.#delete(stream, body) : this.#get(stream, body);
      default:
        throw new Error(`the simulated server does not know ${tokens.join('.')}`);
    }
  }

  #infoOf(stream: Stream, request: Record<string, unknown> = {}): object {
    const { wallMs } = this.#options;
    const { config, messages, bytes, firstSeq, lastSeq, consumers, createdMs } = stream;
    const state: Record<string, unknown> = {
      messages: messages.size,
      bytes,
      first_seq: firstSeq,
      last_seq: lastSeq,
      first_ts: new Date(wallMs(0)).toISOString(),
      last_ts: new Date(wallMs(messages.get(lastSeq)?.atMs ?? 0)).toISOString(),
      consumer_count: consumers.size,
    };
    const filter = request.subjects_filter;
    if (typeof filter === 'string') state.subjects = countSubjects(stream, filter.slice(0, -1));
    return { type: `${type}stream_info_response`, config, created: new Date(wallMs(createdMs)).toISOString(), state };
  }

  #get(stream: Stream, body: Record<string, unknown>): object {
    const message = this.#find(stream, body);
    if (message === undefined) return noMessage;
    const { seq, subject, headers, data, atMs } = message;
    const time = new Date(this.#options.wallMs(atMs)).toISOString();
    const hdrs = headers === null ? undefined : Buffer.from(headers).toString('base64');
    return { message: { seq, subject, hdrs, data: Buffer.from(data).toString('base64'), time } };
  }

  #delete(stream: Stream, body: Record<string, unknown>): object {
    return stream.remove(Number(body.seq)) ? { success: true } : refusal(400, 10043, 'sequence not found');
  }

  /** By sequence, a batch of them with an end mark behind it, or one as it is. ADR-31 */
  #direct(name: string, body: Record<string, unknown>): ApiAnswer[] {
    const stream = this.#options.streams.get(name);
    if (stream === undefined) return [notThere];
    const { seq, batch } = body;
    if (batch === undefined) {
      const message = this.#find(stream, body);
      return [message === undefined ? notThere : this.#stored(stream, message)];
    }
    const found = [...stream.messages.values()].filter((message) => message.seq >= Number(seq)).slice(0, Number(batch));
    if (found.length === 0) return [notThere];
    return [
      ...found.map((message) => this.#stored(stream, message)),
      { headers: headerBlock('204 EOB'), data: noBytes },
    ];
  }

  #stored({ name }: Stream, { seq, subject, headers, data, atMs }: StoredMessage): ApiAnswer {
    const added = headerBlock('', {
      'Nats-Stream': name,
      'Nats-Subject': subject,
      'Nats-Sequence': seq,
      'Nats-Time-Stamp': new Date(this.#options.wallMs(atMs)).toISOString(),
    });
    if (headers === null) return { headers: added, data };
    const own = Buffer.from(headers).subarray(0, -2);
    return { headers: Buffer.concat([own, added.subarray('NATS/1.0\r\n'.length)]), data };
  }

  #find(stream: Stream, { seq, last_by_subj: subject }: Record<string, unknown>): StoredMessage | undefined {
    if (typeof subject !== 'string') return stream.messages.get(Number(seq));
    return this.#options.isMarkerHidden && subject.startsWith('_mb.mark.') ? undefined : stream.last(subject);
  }

  #consumers(tokens: string[], body: Record<string, unknown>): object {
    const isDurableForm = tokens[1] === 'DURABLE';
    const verb = isDurableForm ? 'CREATE' : tokens[1];
    const [streamName = '', name = ''] = tokens.slice(isDurableForm ? 3 : 2);
    const stream = this.#options.streams.get(streamName);
    if (stream === undefined) return streamNotFound;
    if (verb === 'LIST') {
      const all = [...stream.consumers.values()].map((consumer) => this.#consumerInfo(stream, consumer));
      return { type: `${type}consumer_list_response`, total: all.length, offset: 0, limit: 256, consumers: all };
    }
    if (verb === 'CREATE') return this.#create(stream, name, body.config as ConsumerConfig, body.action === 'update');
    const consumer = stream.consumers.get(name);
    if (consumer === undefined) return consumerNotFound;
    switch (verb) {
      case 'INFO':
        return this.#consumerInfo(stream, consumer);
      case 'DELETE':
        stream.consumers.delete(name);
        consumer.close();
        stream.settle();
        return { success: true };
      case 'RESET':
        consumer.reset(body.seq as number | undefined);
        consumer.deliver();
        return this.#consumerInfo(stream, consumer);
      default:
        throw new Error(`the simulated server does not know ${tokens.join('.')}`);
    }
  }

  #create(stream: Stream, given: string, config: ConsumerConfig, isUpdate: boolean): object {
    const name = given === '' ? (config.durable_name ?? config.name) : given;
    const known = stream.consumers.get(name);
    if (isUpdate && known === undefined) return refusal(400, 10149, 'consumer does not exist');
    if (known !== undefined) known.config = { ...config, name };
    else stream.consumers.set(name, new Consumer(stream, { ...config, name }, this.#options.consumerHooks));
    return this.#consumerInfo(stream, stream.consumers.get(name)!);
  }

  #consumerInfo(stream: Stream, consumer: Consumer): object {
    const { config, delivered, floor, pending } = consumer;
    // applications of these schedules always have a pull waiting at their group
    const waiting = config.ack_policy === 'explicit' ? 1 : consumer.waiting;
    return {
      type: `${type}consumer_info_response`,
      stream_name: stream.name,
      name: config.name,
      created: new Date(this.#options.wallMs(0)).toISOString(),
      config,
      delivered,
      ack_floor: floor,
      num_ack_pending: delivered.consumer_seq - floor.consumer_seq,
      num_redelivered: 0,
      num_waiting: waiting,
      num_pending: pending,
    };
  }

  #consumer(stream: string | undefined, name: string | undefined): Consumer | undefined {
    return this.#options.streams.get(stream ?? '')?.consumers.get(name ?? '');
  }
}

function countSubjects(stream: Stream, prefixed: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { subject } of stream.messages.values()) {
    if (subject.startsWith(prefixed)) counts[subject] = (counts[subject] ?? 0) + 1;
  }
  return counts;
}

function parse(data: Uint8Array): Record<string, unknown> {
  if (data.length === 0) return {};
  return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString()) as Record<string, unknown>;
}

function json(answer: object): ApiAnswer {
  return { headers: null, data: Buffer.from(JSON.stringify(answer)) };
}
