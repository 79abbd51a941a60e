/**
 * A whole bus for a test: a lab from YAML text in a directory of its own, and plain NATS clients of both generations with
 * nothing but URL and creds. Register with useLabs() once per file; labs go down after each test, their directories stay
 * when it failed.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, credsAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import {
  connect as connectOlder,
  type NatsConnection as OlderConnection,
  credsAuthenticator as olderCreds,
} from 'nats';
import { afterEach } from 'vitest';
import { createAdminClient } from '../../src/api/index.ts';
import type { ControlClient } from '../../src/api/methods.ts';
import { type LabInfo, labDown, labUp } from '../../src/lab/index.ts';

export interface TestLab {
  dir: string;
  info: LabInfo;
  /** a client of the current generation, as `customer/app` */
  connect(
    app: string,
    options?: Pick<ConnectionOptions, 'ignoreAuthErrorAbort' | 'reconnect'>,
  ): Promise<NatsConnection>;
  /** a client of the `nats` 2.x generation */
  connectOlder(app: string): Promise<OlderConnection>;
}

export interface LabKit {
  start(yaml: string): Promise<TestLab>;
}

/** both generations: for ever, and soon */
const patience = { maxReconnectAttempts: -1, reconnectTimeWait: 200 };

export function useLabs(): LabKit {
  const dirs: string[] = [];
  const parents: string[] = [];
  const connections: { close(): Promise<void> }[] = [];
  afterEach(async ({ task }) => {
    await Promise.all(connections.splice(0).map((connection) => connection.close().catch(() => undefined)));
    const keep = task.result?.state === 'fail';
    const running = dirs.splice(0).filter((dir) => existsSync(join(dir, 'lab.json')));
    await Promise.all(running.map((dir) => labDown(dir, { keep })));
    for (const dir of parents.splice(0)) if (!keep) await rm(dir, { recursive: true, force: true });
  });
  return {
    start: async (yaml) => {
      const parent = await mkdtemp(join(tmpdir(), 'mbus-lab-'));
      parents.push(parent);
      const dir = join(parent, 'lab');
      const info = await labUp({ text: yaml, fileName: 'bus.yaml', dir, keep: true });
      dirs.push(dir);
      return testLab(dir, info, connections);
    },
  };
}

/** Clients of a lab that runs; every connection is pushed to `connections`. */
export function testLab(dir: string, info: LabInfo, connections: { close(): Promise<void> }[]): TestLab {
  const access = async (app: string): Promise<{ servers: string; creds: Uint8Array }> => {
    const found = info.apps[app];
    if (!found) throw new Error(`no app ${app}: the lab has ${Object.keys(info.apps).join(', ')}`);
    return { servers: found.nats, creds: await readFile(found.creds) };
  };
  const kept = <T extends { close(): Promise<void> }>(connection: T): T => {
    connections.push(connection);
    return connection;
  };
  return {
    dir,
    info,
    connect: async (app, options = {}) => {
      const { servers, creds } = await access(app);
      return kept(await connect({ servers, authenticator: credsAuthenticator(creds), ...patience, ...options }));
    },
    connectOlder: async (app) => {
      const { servers, creds } = await access(app);
      return kept(await connectOlder({ servers, authenticator: olderCreds(creds), ...patience }));
    },
  };
}

/** An admin's client of the lab's control plane, with patience for a busy machine; the caller closes it. */
export async function adminOf(lab: TestLab): Promise<ControlClient> {
  const client = await createAdminClient(join(lab.dir, 'control'));
  return {
    call: (method, request, options) => client.call(method, request, { timeoutMs: 60_000, ...options }),
    onNotice: (callback) => client.onNotice(callback),
    close: () => client.close(),
  };
}
