/**
 * The control API end to end:   admin, site ─signed, sealed─▶ nats-server ─▶ control replica ─▶ PostgreSQL
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { Svcm } from '@nats-io/services';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readAnswer } from '../../../src/api/answer.ts';
import { openAnswer, type SealedRequest, sealRequest } from '../../../src/api/frame.ts';
import {
  type CallerKey,
  callerKeyFromSeed,
  formatToken,
  joinSite,
  parseToken,
  readSnapshot,
  signRegistration,
} from '../../../src/api/index.ts';
import type { MethodName, RequestOf } from '../../../src/api/methods.ts';
import { replyPrefix, requestSubject } from '../../../src/api/subjects.ts';
import { systemClock } from '../../../src/clock.ts';
import type { BusFile } from '../../../src/config/bus-file.ts';
import { parseBusFile } from '../../../src/config/parse.ts';
import { deriveTerminalKeys, newSecurekey } from '../../../src/keys/index.ts';
import { silentLogger } from '../../../src/log.ts';
import { createToken, openDatabase, type Registry } from '../../../src/registry/index.ts';
import { createKey, encodeUserJwt, readCertificate } from '../../../src/trust/index.ts';
import { exampleBus } from '../../support/bus-file.ts';
import { type JoinedSite, joinKeys, joinTestSite, startTestControl, type TestControl } from '../../support/control.ts';
import { eventually } from '../../support/nats-server.ts';
import { startPostgres } from '../../support/postgres.ts';

let control: TestControl;
let db: Registry;
let tokyo: JoinedSite;
let frankfurt: JoinedSite;
let file: BusFile;

beforeAll(async () => {
  const postgres = await startPostgres();
  const url = await postgres.createEmptyDatabase();
  const dir = await mkdtemp('/tmp/mbus-test-control-');
  control = await startTestControl(`${dir}/c`, url);
  db = await openDatabase({ url, log: silentLogger });
  file = parseBusFile(exampleBus, 'bus.yaml');
  await control.admin.call('bus.apply', { file });
  tokyo = await joinTestSite(control, 'tokyo');
  frankfurt = await joinTestSite(control, 'frankfurt');
  return async () => {
    await db.destroy();
    await control.stop();
    await postgres.stop();
    await rm(dir, { recursive: true, force: true });
  };
});

beforeEach(async () => {
  await control.admin.call('bus.apply', { file });
});

async function auditTail(limit = 5) {
  return (await control.admin.call('audit.list', { limit })).rows;
}

/** A frame made by hand, so that it can be sent as often as one likes. */
async function frameOf<M extends MethodName>(
  method: M,
  request: RequestOf<M>,
  caller: CallerKey,
): Promise<SealedRequest> {
  const { busId, ...keys } = control.adminFile.control;
  return sealRequest({ busId, callerId: control.adminFile.id, method }, request, caller, {
    control: keys,
    atMs: Date.now(),
  });
}

async function send(method: MethodName, sealed: SealedRequest): Promise<unknown> {
  const id = control.adminFile.id;
  const reply = `${replyPrefix(id)}.${randomUUID()}`;
  const message = await control.nc.request(requestSubject(id, method), sealed.frame, {
    timeout: 5_000,
    noMux: true,
    reply,
  });
  return readAnswer(openAnswer(message.data, sealed.answerKey, control.adminFile.control));
}

function adminKey(): CallerKey {
  return callerKeyFromSeed(Buffer.from(control.adminFile.seed, 'base64url'));
}

describe('joining', () => {
  test('gives the site its certificate, its rights and the keys it pins', () => {
    const { enrolment } = tokyo;
    expect(enrolment).toMatchObject({ site: 'tokyo', busId: control.adminFile.control.busId });
    expect(enrolment.control.leafUrls).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
    expect(readCertificate(enrolment.certPem)).toMatchObject({ commonName: 'tokyo', names: ['tokyo.example.net'] });
  });

  test('works once per token; the second try is refused and audited', async () => {
    const { token } = await control.admin.call('token.create', { site: 'virginia' });
    await joinSite(token, await joinKeys('virginia'));
    await expect(joinSite(token, await joinKeys('virginia'))).rejects.toMatchObject({ code: 'E_TOKEN_USED' });
    expect((await auditTail(1))[0]).toMatchObject({
      action: 'refused enrol.site',
      details: { message: expect.stringContaining('E_TOKEN_USED') },
    });
  });

  test('is refused with a token that expired, was guessed, or is for a terminal', async () => {
    const { token } = await control.admin.call('token.create', { site: 'virginia' });
    const parsed = parseToken(token);
    const siteId = (await control.admin.call('bus.status', {})).sites.find((s) => s.name === 'virginia')!.id;
    const { secret } = await createToken(db, { siteId, customerId: null }, 0);
    const expired = joinSite(formatToken({ ...parsed, secret }), await joinKeys('virginia'));
    await expect(expired).rejects.toMatchObject({ code: 'E_TOKEN_EXPIRED' });
    const guessed = joinSite(formatToken({ ...parsed, secret: 'guess' }), await joinKeys('virginia'));
    await expect(guessed).rejects.toMatchObject({ code: 'E_TOKEN_UNKNOWN' });
    const forTerminal = await control.admin.call('token.create', { site: 'virginia', customer: 'acme' });
    await expect(joinSite(forTerminal.token, await joinKeys('virginia'))).rejects.toMatchObject({
      code: 'E_TOKEN_UNKNOWN',
    });
  });

  test('that is repeated by the network gets the same answer', async () => {
    const { token } = await control.admin.call('token.create', { site: 'virginia' });
    const keys = await joinKeys('virginia');
    const { csrPem, controlUser } = keys;
    const request = { token: parseToken(token).secret, siteKey: keys.key.publicKey, controlUser, csrPem };
    const sealed = await frameOf('enrol.site', request, keys.key);
    const first = await send('enrol.site', sealed);
    expect(await send('enrol.site', sealed)).toEqual(first);
  });

  test('in the name of a key one does not hold is refused', async () => {
    const { token } = await control.admin.call('token.create', { site: 'virginia' });
    const keys = await joinKeys('virginia');
    const request = { ...keys, token: parseToken(token).secret, siteKey: tokyo.key.publicKey };
    const { token: secret, controlUser, csrPem, siteKey } = request;
    const sealed = await frameOf('enrol.site', { token: secret, controlUser, csrPem, siteKey }, keys.key);
    await expect(send('enrol.site', sealed)).rejects.toMatchObject({ code: 'E_FORBIDDEN' });
  });

  test('needs a token for a site and a terminal that exist', async () => {
    await expect(control.admin.call('token.create', { site: 'osaka' })).rejects.toMatchObject({
      code: 'E_UNKNOWN_NOUN',
    });
    const failing = control.admin.call('token.create', { site: 'tokyo', customer: 'globex' });
    await expect(failing).rejects.toMatchObject({ code: 'E_UNKNOWN_NOUN' });
  });
});

describe('a site', () => {
  test('is refused what is for admins, and it is audited', async () => {
    for (const method of ['bus.export', 'bus.status', 'audit.list'] as const) {
      const request = method === 'audit.list' ? { limit: 1 } : {};
      await expect(tokyo.client.call(method, request as never)).rejects.toMatchObject({ code: 'E_FORBIDDEN' });
    }
    await expect(tokyo.client.call('bus.apply', { file })).rejects.toMatchObject({ code: 'E_FORBIDDEN' });
    expect((await auditTail(1))[0]).toMatchObject({ actor: 'site:tokyo', action: 'refused bus.apply' });
  });

  test('gets its own snapshot, signed, and nothing when it has the newest', async () => {
    const { version, snapshot, signature } = await tokyo.client.call('snapshot.get', { have: 0 });
    const read = readSnapshot({ text: snapshot!, signature: signature! }, tokyo.enrolment.control.signKey);
    expect(read).toMatchObject({ version, site: { name: 'tokyo' }, control: tokyo.enrolment.control });
    expect(await tokyo.client.call('snapshot.get', { have: version })).toEqual({
      version,
      snapshot: null,
      signature: null,
    });
  });

  test('that nobody knows is refused', async () => {
    const stranger = control.clientOf(callerKeyFromSeed(randomBytes(32)));
    await expect(stranger.call('snapshot.get', { have: 0 })).rejects.toMatchObject({ code: 'E_FORBIDDEN' });
  });

  test('whose clock is a day off is served all the same', async () => {
    for (const offMs of [-86_400_000, 86_400_000]) {
      const clock = { ...systemClock, wallMs: () => Date.now() + offMs };
      const client = control.clientOf(tokyo.key, clock);
      await expect(client.call('snapshot.get', { have: 0 })).resolves.toMatchObject({ version: expect.any(Number) });
    }
  });

  test('that was removed from the bus is refused at once', async () => {
    const joined = await joinTestSite(control, 'virginia');
    const without = structuredClone(file);
    without.sites = without.sites.filter((site) => site.name !== 'virginia');
    const acme = without.customers[0]!;
    acme.terminals = ['tokyo', 'frankfurt'];
    acme.links = acme.links.filter((link) => !link.between.includes('virginia'));
    acme.topics[0]!.groups = acme.topics[0]!.groups.filter((group) => group.name === 'risk');
    await control.admin.call('bus.apply', { file: without, force: true });
    await expect(joined.client.call('snapshot.get', { have: 0 })).rejects.toMatchObject({ code: 'E_FORBIDDEN' });
  });
});

describe('a terminal', () => {
  async function terminalOf(site: JoinedSite): Promise<string> {
    const { snapshot, signature } = await site.client.call('snapshot.get', { have: 0 });
    return readSnapshot({ text: snapshot!, signature: signature! }, site.enrolment.control.signKey).customers[0]!
      .terminalId;
  }

  function registrationOf(terminalId: string) {
    const keys = deriveTerminalKeys(newSecurekey());
    const claim = {
      terminalId,
      signKey: keys.signKey,
      wrapKey: keys.wrapKey,
      linkUser: createKey('user').getPublicKey(),
    };
    return { ...claim, proof: signRegistration(claim, keys.sign) };
  }

  test('registers once without a token, and with other keys only with one of its own', async () => {
    const terminalId = await terminalOf(tokyo);
    const first = registrationOf(terminalId);
    const { version } = await tokyo.client.call('terminal.register', first);
    expect(await tokyo.client.call('terminal.register', first)).toEqual({ version });

    const second = registrationOf(terminalId);
    await expect(tokyo.client.call('terminal.register', second)).rejects.toMatchObject({
      code: 'E_TERMINAL_REGISTERED',
    });
    const elsewhere = await control.admin.call('token.create', { site: 'frankfurt', customer: 'acme' });
    const withOther = tokyo.client.call('terminal.register', { ...second, token: parseToken(elsewhere.token).secret });
    await expect(withOther).rejects.toMatchObject({ code: 'E_TOKEN_UNKNOWN' });
    const { token } = await control.admin.call('token.create', { site: 'tokyo', customer: 'acme' });
    const accepted = await tokyo.client.call('terminal.register', { ...second, token: parseToken(token).secret });
    expect(accepted.version).toBeGreaterThan(version);
  });

  test('of another site is not registered, nor one with keys that are not proven', async () => {
    const terminalId = await terminalOf(frankfurt);
    await expect(tokyo.client.call('terminal.register', registrationOf(terminalId))).rejects.toMatchObject({
      code: 'E_FORBIDDEN',
    });
    const { proof } = registrationOf(terminalId);
    const stolen = { ...registrationOf(terminalId), proof };
    await expect(frankfurt.client.call('terminal.register', stolen)).rejects.toMatchObject({ code: 'E_FORBIDDEN' });
    expect((await auditTail(1))[0]).toMatchObject({ actor: 'site:frankfurt', action: 'refused terminal.register' });
  });

  test('that dials gets the credential that the accepting site reports, and only a fitting one', async () => {
    const dialling = registrationOf(await terminalOf(frankfurt));
    const { token } = await control.admin.call('token.create', { site: 'frankfurt', customer: 'acme' });
    await frankfurt.client.call('terminal.register', { ...dialling, token: parseToken(token).secret });
    const seen = await snapshotOf(frankfurt);
    const link = seen.customers[0]!.links.find((l) => l.dialer === dialling.terminalId)!;
    const issuer = createKey('account');
    const report = async (user: string) => {
      const userJwt = await encodeUserJwt({ name: 'x', connections: ['LEAFNODE'] }, user, issuer);
      await tokyo.client.call('site.report', { ...emptyReport, linkCredentials: [{ linkId: link.id, userJwt }] });
      return userJwt;
    };
    await report(createKey('user').getPublicKey());
    expect((await snapshotOf(frankfurt)).version).toBe(seen.version);
    const userJwt = await report(dialling.linkUser);
    const after = await snapshotOf(frankfurt);
    expect(after.version).toBe(seen.version + 1);
    expect(after.customers[0]!.links.find((l) => l.id === link.id)).toMatchObject({
      userJwt,
      url: 'tokyo.example.net:7422',
    });
    await frankfurt.client.call('site.report', {
      ...emptyReport,
      linkCredentials: [{ linkId: link.id, userJwt: 'forged' }],
    });
    expect((await snapshotOf(frankfurt)).version).toBe(after.version);
  });

  async function snapshotOf(site: JoinedSite) {
    const { snapshot, signature } = await site.client.call('snapshot.get', { have: 0 });
    return readSnapshot({ text: snapshot!, signature: signature! }, site.enrolment.control.signKey);
  }
});

const emptyReport: RequestOf<'site.report'> = {
  applied: 1,
  sidecarVersion: '0',
  serverVersion: '0',
  linkCredentials: [],
  links: [],
  groups: [],
  topics: [],
  apps: [],
  problems: [],
};

describe('an admin', () => {
  test('sees every site with the newest it said of itself, and names for ids', async () => {
    await tokyo.client.call('site.report', { ...emptyReport, applied: 42 });
    const status = await control.admin.call('bus.status', {});
    const site = status.sites.find((s) => s.name === 'tokyo');
    expect(site).toMatchObject({ state: 'joined', report: { applied: 42 } });
    expect(site!.reportAgeMs).toBeLessThan(60_000);
    expect(Object.values(status.names)).toEqual(
      expect.arrayContaining(['acme', 'acme@tokyo', 'acme/trade@risk', 'acme/frankfurt-tokyo']),
    );
    expect(status.replicas).toHaveLength(1);
  });

  test('is told all problems of a file, and nothing of it is applied', async () => {
    const bad = structuredClone(file);
    bad.customers[0]!.apps[0]!.terminal = 'nowhere';
    bad.customers[0]!.topics[0]!.groups[0]!.terminals = ['tokyo', 'mars'];
    const { version } = await control.admin.call('bus.export', {});
    const failing = control.admin.call('bus.apply', { file: bad });
    await expect(failing).rejects.toMatchObject({ code: 'E_CONFIG' });
    await failing.catch((error) => {
      expect(String(error.message)).toContain('nowhere');
      expect(String(error.message)).toContain('mars');
    });
    expect((await control.admin.call('bus.export', {})).version).toBe(version);
  });

  test('whose apply arrives twice applies once and gets one answer', async () => {
    const changed = structuredClone(file);
    changed.customers[0]!.links[0]!.cost = 77;
    const { version } = await control.admin.call('bus.export', {});
    const sealed = await frameOf('bus.apply', { file: changed, base: version }, adminKey());
    const answers = await Promise.all([send('bus.apply', sealed), send('bus.apply', sealed)]);
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[0]).toMatchObject({ version: version + 1 });
    expect((await control.admin.call('bus.export', {})).version).toBe(version + 1);
  });

  test.each(['bus.status', 'token.create'] as const)(
    'whose %s is repeated by somebody gets it refused',
    async (method) => {
      const request = method === 'token.create' ? { site: 'tokyo' } : {};
      const sealed = await frameOf(method, request as never, adminKey());
      await send(method, sealed);
      await expect(send(method, sealed)).rejects.toMatchObject({ code: 'E_REQUEST_REPLAYED' });
    },
  );

  test('hears of a change without asking', async () => {
    const heard: number[] = [];
    control.admin.onNotice((version) => heard.push(version));
    await control.nc.flush();
    const changed = structuredClone(file);
    changed.customers[0]!.isolateApps = true;
    const { version } = await control.admin.call('bus.apply', { file: changed });
    await eventually('a notice', () => heard.includes(version));
  });

  test('finds the service with the usual tools', async () => {
    const nc = control.nc as unknown as ConstructorParameters<typeof Svcm>[0];
    const found = [];
    for await (const info of await new Svcm(nc).client().info('mbus-control')) found.push(info);
    expect(found).toHaveLength(1);
    expect(found[0]!.endpoints.map((e) => e.subject)).toContain('mb.ctl.*.bus.apply');
  });
});

test('garbage is answered with a refusal that says nothing, and the service lives on', async () => {
  const id = control.adminFile.id;
  for (const bytes of [Buffer.alloc(0), randomBytes(10), randomBytes(5_000), Buffer.from('{"method":"bus.export"}')]) {
    const reply = `${replyPrefix(id)}.${randomUUID()}`;
    const options = { timeout: 5_000, noMux: true, reply };
    const message = await control.nc.request(requestSubject(id, 'bus.export'), bytes, options);
    expect(message.data).toHaveLength(0);
    // what is no frame looks like one of another version
    expect(message.headers?.get('Nats-Service-Error')).toMatch(/^(rejected|1 to 1)$/);
  }
  await expect(control.admin.call('bus.export', {})).resolves.toBeDefined();
});

test('a program of another version is told which versions are spoken, and says so by name', async () => {
  const { id } = control.adminFile;
  const sealed = await sealRequest(
    { busId: control.adminFile.control.busId, callerId: id, method: 'bus.export' },
    {},
    adminKey(),
    {
      control: control.adminFile.control,
      atMs: Date.now(),
    },
  );
  const frame = Buffer.concat([Buffer.of(9), sealed.frame.subarray(1)]);
  const reply = `${replyPrefix(id)}.${randomUUID()}`;
  const said = await control.nc.request(requestSubject(id, 'bus.export'), frame, {
    timeout: 5_000,
    noMux: true,
    reply,
  });
  expect(said.headers?.get('Nats-Service-Error-Code')).toBe('505');
  expect(said.headers?.get('Nats-Service-Error')).toBe('1 to 1');
});

test('metrics count requests by method and outcome', async () => {
  await control.admin.call('bus.export', {});
  const text = await (await fetch(`${control.monitoringUrl}/metrics`)).text();
  expect(text).toMatch(/mbus_control_requests_total\{method="bus.export",code="ok",replica="[^"]+"\} \d+/);
});
