/** One control replica whose listeners' certificate is about to end: it is renewed while the replica runs. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect, test } from 'vitest';
import { readControlFile } from '../../../src/control/dir.ts';
import { splitAddress } from '../../../src/server/index.ts';
import { createCa, createCsr, issueCertificate, readCertificate } from '../../../src/trust/index.ts';
import { startTestControl } from '../../support/control.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import { startPostgres } from '../../support/postgres.ts';

const scope = testScope();

/** Serial number that the leaf listener shows to whoever asks. */
function shownBy(address: string): Promise<string> {
  const { host, port } = splitAddress(address);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

test('a certificate that is about to end is renewed without a restart; connections stay', async () => {
  const postgres = await startPostgres();
  scope.onEnd(() => postgres.stop());
  const control = await startTestControl(scope.dir('control'), await postgres.createEmptyDatabase(), {
    certificateEveryMs: 300,
  });
  scope.onEnd(() => control.stop());
  const { leafListen } = await readControlFile(control.dir);
  const before = await shownBy(leafListen);
  let drops = 0;
  void (async () => {
    for await (const { type } of control.nc.status()) if (type === 'disconnect') drops += 1;
  })();
  const path = join(control.dir, 'tls/cert.pem');
  const { csrPem } = await createCsr({ commonName: 'control' });
  const ca = await createCa({ name: 'of a test' });
  const names = readCertificate(await readFile(path, 'utf8')).names;
  await writeFile(path, issueCertificate({ ca, csrPem, commonName: 'control', names, days: 30 }));
  await eventually('the listener shows another', async () => (await shownBy(leafListen)) !== before, 20_000);
  expect(readCertificate(await readFile(path, 'utf8')).notAfterMs - Date.now()).toBeGreaterThan(300 * 24 * 3_600_000);
  expect((await control.admin.call('bus.status', {})).version).toBeGreaterThanOrEqual(0);
  expect(drops).toBe(0);
});
