/**
 * A control replica in this process over a given database, and sites that joined it. A site's own credential is for leaf
 * links only, so its requests go through the admin's NATS user here: who asks is told by the signature, not by the subject.
 */
import { randomBytes } from 'node:crypto';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import {
  type AdminFile,
  type CallerKey,
  callerKeyFromSeed,
  connectControl,
  createControlClient,
  joinSite,
  readAdminFile,
} from '../../src/api/index.ts';
import type { ControlClient, ResponseOf } from '../../src/api/methods.ts';
import type { Clock } from '../../src/clock.ts';
import { initControl, type RunningControl, startControl } from '../../src/control.ts';
import { silentLogger } from '../../src/log.ts';
import { createCsr, createKey } from '../../src/trust/index.ts';

export interface TestControl extends RunningControl {
  dir: string;
  admin: ControlClient;
  adminFile: AdminFile & { control: NonNullable<AdminFile['control']> };
  /** the admin's connection */
  nc: NatsConnection;
  /** a client of somebody else over the same connection */
  clientOf(caller: CallerKey, clock?: Clock): ControlClient;
}

interface TestControlOptions {
  hasWebsocket?: boolean;
  masterKeyOf?: string;
  certificateEveryMs?: number;
  console?: { address: string };
}

export async function startTestControl(
  dir: string,
  databaseUrl: string,
  { hasWebsocket = false, masterKeyOf, ...options }: TestControlOptions = {},
): Promise<TestControl> {
  const any = '127.0.0.1:0';
  await initControl({ dir, listen: any, leafListen: any, websocketListen: hasWebsocket ? any : undefined });
  if (masterKeyOf !== undefined) await copyFile(join(masterKeyOf, 'master.key'), join(dir, 'master.key'));
  const control = await startControl({ dir, databaseUrl, log: silentLogger, ...options });
  const file = await readAdminFile(dir);
  if (!file.control) throw new Error('the admin file was not completed');
  const adminFile = { ...file, control: file.control };
  const nc = await connectControl({ ...adminFile.control, userSeed: file.userSeed, name: 'test' });
  const clientOf = (caller: CallerKey, clock?: Clock): ControlClient => {
    const { busId, ...keys } = adminFile.control;
    return createControlClient({ nc, busId, callerId: file.id, caller, control: keys, ...(clock && { clock }) });
  };
  const admin = clientOf(callerKeyFromSeed(Buffer.from(file.seed, 'base64url')));
  return {
    ...control,
    dir,
    admin,
    adminFile,
    nc,
    clientOf,
    stop: async () => {
      await nc.close();
      await control.stop();
    },
  };
}

export interface JoinedSite {
  key: CallerKey;
  client: ControlClient;
  enrolment: ResponseOf<'enrol.site'>;
}

export async function joinKeys(name: string) {
  const { csrPem } = await createCsr({ commonName: name });
  return { key: callerKeyFromSeed(randomBytes(32)), controlUser: createKey('user').getPublicKey(), csrPem };
}

export async function joinTestSite(control: TestControl, name: string): Promise<JoinedSite> {
  const { token } = await control.admin.call('token.create', { site: name });
  const keys = await joinKeys(name);
  const enrolment = await joinSite(token, keys);
  return { key: keys.key, client: control.clientOf(keys.key), enrolment };
}
