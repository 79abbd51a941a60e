/** A daemon in which an error escapes: `node daemon-process.ts late-write|other`. It says when it is still there. */
import { setTimeout as delay } from 'node:timers/promises';
import { runDaemon } from '../../../cli/daemon.ts';

function sendByNodeTransport(code: string): never {
  throw Object.assign(new Error('write after end'), { code });
}

await runDaemon('test', async () => {
  setImmediate(() => sendByNodeTransport(process.argv[2] === 'late-write' ? 'ERR_STREAM_WRITE_AFTER_END' : 'EPIPE'));
  return { stop: async () => undefined, closed: delay(200).then(() => void process.stdout.write('still there\n')) };
});
