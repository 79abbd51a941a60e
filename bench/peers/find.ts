/** Brokers of other kinds, where the machine has them: bench/peers/install.sh fetches them on Debian. */
import { access } from 'node:fs/promises';
import { say } from '../../demo/program.ts';

/** not all of these are on the path of everybody */
const places = {
  'rabbitmq-server': ['/usr/lib/rabbitmq/bin/rabbitmq-server'],
  mosquitto: ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/usr/bin/mosquitto'],
};

/** The program's path; undefined, and one line, when it is not there. */
export async function findPeer(name: keyof typeof places): Promise<string | undefined> {
  for (const path of places[name]) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  say(`no ${name} here: its rows are left out; sudo bench/peers/install.sh fetches it from Debian`);
  return undefined;
}
