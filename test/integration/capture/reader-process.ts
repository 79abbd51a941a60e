/** A reader of a cursor in a process of its own, to be killed: `node reader-process.ts PORT STREAM DURABLE`. */
import { connect } from '@nats-io/transport-node';
import { PullReader } from '../../../src/capture/pull-reader.ts';

const [port, stream = '', durable = ''] = process.argv.slice(2);
const nc = await connect({ servers: `127.0.0.1:${port}` });
const reader = new PullReader({
  nc,
  stream,
  durable,
  pullBytes: () => 2_000_000,
  onWake: () => process.send?.('read'),
  onLost: (reason) => process.send?.(reason),
});
await reader.start(async () => undefined);
