import { expect, test } from 'vitest';
import { filterStatus, stuckThings } from '../../../src/status/index.ts';
import { busOf, ids, version } from './reports.ts';

/** 12:03:20 on this machine's clock */
const nowMs = new Date(2026, 4, 5, 12, 3, 20).getTime();

/** Cause and line of everything that is stuck. */
function stuck(facts: Parameters<typeof busOf>[0]): [string, string][] {
  return stuckThings(busOf(facts), nowMs).map(({ cause, text }) => [cause, text]);
}

const forArchive = { groupId: ids.archive, outgoing: 1204, assigned: ids.atVirginia };

test('nothing is stuck on a bus that works, whatever is under way', () => {
  const busy = { groupId: ids.risk, pending: 50, unacked: 20, consumers: 2, notAckedMs: 40 };
  expect(stuck({ tokyo: { groups: [forArchive] }, frankfurt: { groups: [busy] } })).toEqual([]);
});

test('a silent link: the group waits for it, with its place and its next try', () => {
  const silent = { linkId: ids.frankfurtVirginia, state: 'silent' as const, sinceMs: 19_000, reason: 'nothing heard' };
  const rows = stuck({
    tokyo: { groups: [{ ...forArchive, reason: 'E_LINK_DOWN: no path' }] },
    frankfurt: { links: [silent] },
    virginia: { links: [{ ...silent, redialMs: 4_000 }] },
  });
  expect(rows).toEqual([
    [
      'link-silent',
      'acme/link frankfurt-virginia silent since 12:03, next try in 4 s (seen at frankfurt and virginia)',
    ],
    [
      'link-silent',
      'acme/trade@archive: 1,204 waiting at tokyo for virginia: link frankfurt-virginia silent since 12:03, next try in 4 s',
    ],
  ]);
});

test('a cut link is told from one between sites that are not concerned', () => {
  const cut = {
    linkId: ids.frankfurtTokyo,
    state: 'down' as const,
    sinceMs: 190_000,
    reason: 'the leaf connection closed',
  };
  const rows = stuck({
    tokyo: { links: [cut], groups: [{ ...forArchive, reason: 'E_LINK_DOWN: no path' }] },
    frankfurt: { links: [cut], groups: [{ ...forArchive, groupId: ids.risk, assigned: ids.atVirginia }] },
  });
  expect(rows.map(([cause]) => cause)).toEqual(['link-cut', 'link-cut']);
  expect(rows[1]?.[1]).toBe(
    'acme/trade@archive: 1,204 waiting at tokyo for virginia: link frankfurt-tokyo cut since 12:00, tokyo dials every 0.2 s',
  );
});

test('what was sent as far as the broken link waits for it too; what is late for no such reason is told as that', () => {
  const cut = { linkId: ids.frankfurtVirginia, state: 'down' as const, sinceMs: 190_000, reason: 'closed' };
  const sent = { ...forArchive, awaited: [{ terminalId: ids.atVirginia, messages: 1000 }] };
  const rows = stuck({ tokyo: { groups: [sent] }, frankfurt: { links: [cut] } });
  expect(rows[1]).toEqual([
    'link-cut',
    'acme/trade@archive: 1,204 waiting at tokyo for virginia: 1,000 sent and not receipted, link frankfurt-virginia cut since 12:00',
  ]);
  const late = { ...sent, oldestMs: 90_000 };
  expect(stuck({ tokyo: { groups: [late] } })).toEqual([
    [
      'other',
      'acme/trade@archive: 1,204 waiting at tokyo for virginia, the oldest for 2 min: 1,000 sent and not receipted, no receipt yet',
    ],
  ]);
});

test('no consumers, and consumers that acknowledge nothing', () => {
  const nobody = { groupId: ids.risk, pending: 12, consumers: 0, oldestMs: 240_000 };
  expect(stuck({ frankfurt: { groups: [nobody] } })).toEqual([
    ['no-consumers', 'acme/trade@risk: 12 waiting at frankfurt, the oldest for 4 min: no consumers'],
  ]);
  const stubborn = { groupId: ids.risk, pending: 6, unacked: 64, consumers: 1, notAckedMs: 45_000, redelivered: 3 };
  expect(stuck({ frankfurt: { groups: [stubborn] } })).toEqual([
    [
      'not-acknowledging',
      'acme/trade@risk: 64 delivered, 6 waiting: consumers at frankfurt acknowledge nothing since 45 s, 3 of them delivered again',
    ],
  ]);
  expect(stuck({ frankfurt: { groups: [{ ...stubborn, notAckedMs: 29_000 }] } })).toEqual([]);
  expect(stuck({ frankfurt: { groups: [{ ...nobody, consumers: null }] } })).toEqual([]);
});

test('a full stream: the publishers that it refuses, and the origin that waits for it', () => {
  const full = {
    kind: 'capture' as const,
    id: ids.trade,
    bytes: 1_048_000,
    maxBytes: 1_048_576,
    heldBy: 'archive (9)',
  };
  const group = { ...full, kind: 'group' as const, id: ids.archive, heldBy: 'consumers of archive (9 waiting)' };
  expect(stuck({ tokyo: { limits: [full] } })).toEqual([
    ['stream-full', 'acme/trade: capture stream full at tokyo (1.0 MiB): publishers are refused; held by archive (9)'],
  ]);
  expect(stuck({ tokyo: { limits: [{ ...full, bytes: 900_000 }] } })).toEqual([]);
  const reason = 'E_PEER_BUSY: virginia: E_STREAM_FULL: trade@archive is full';
  const rows = stuck({ tokyo: { groups: [{ ...forArchive, reason }] }, virginia: { limits: [group] } });
  expect(rows[0]?.[0]).toBe('stream-full');
  expect(rows[0]?.[1]).toContain('1,204 waiting at tokyo for virginia: E_PEER_BUSY');
  expect(rows[0]?.[1]).toContain('; held by consumers of archive (9 waiting)');
});

test.each([
  ['ticket-refused', 'E_KEY_REFUSED: the key service refused terminal acme@tokyo'],
  ['revoked', 'E_REVOKED: terminal virginia is revoked'],
  ['key-service-away', 'E_KEY_AWAY: the key service gave no key: nobody answered'],
  ['not-applied', 'E_PEER_BUSY: virginia: E_NOT_YET: this site has not applied configuration 7'],
  ['other', 'E_TIMEOUT: virginia did not answer within 60000 ms'],
])('%s is read from the innermost code of what the origin says', (cause, reason) => {
  const [row] = stuck({ tokyo: { groups: [{ ...forArchive, reason }] } });
  expect(row?.[0]).toBe(cause);
  expect(row?.[1]).toMatch(/^acme\/trade@archive: 1,204 waiting at tokyo for virginia: /);
  expect(row?.[1]).toContain(reason);
});

test('envelopes that wait sealed at their destination', () => {
  const reason = 'envelopes of 2 tickets wait sealed: E_KEY_AWAY: the key service gave no key';
  expect(stuck({ frankfurt: { groups: [{ groupId: ids.risk, consumers: 1, reason }] } })).toEqual([
    ['key-service-away', `acme/trade@risk: 0 at frankfurt: ${reason}`],
  ]);
});

test('a configuration that is not yet applied', () => {
  const problems = [{ code: 'E_SERVER_REFUSED', text: 'account C-acme: no' }];
  expect(stuck({ tokyo: { applied: version - 1, problems } })).toEqual([
    [
      'not-applied',
      'tokyo: configuration 7 is not yet applied, configuration 6 is: E_SERVER_REFUSED: account C-acme: no',
    ],
  ]);
});

test('a site that misses the control plane says so itself', () => {
  const problems = [{ code: 'E_CONTROL_AWAY', text: 'the control plane does not answer this site' }];
  const [[cause, text] = []] = stuck({ tokyo: { problems } });
  expect(cause).toBe('key-service-away');
  expect(text).toMatch(/^tokyo: the control plane does not answer it/);
});

test('a site that does not report is judged by what its neighbours hear', () => {
  const down = (reason: string) => [{ linkId: ids.frankfurtVirginia, state: 'down' as const, sinceMs: 8_000, reason }];
  const old = { reportAgeMs: 42_000 };
  const [sidecar] = stuck({ frankfurt: { links: down('nobody listens at the other end') }, virginia: old });
  expect(sidecar).toEqual([
    'sidecar-down',
    'virginia: sidecar down: no report for 42 s; frankfurt reaches its nats-server, where nobody listens',
  ]);
  const [machine] = stuck({ frankfurt: { links: down('the leaf connection closed') }, virginia: old });
  expect(machine?.[0]).toBe('site-away');
  const [alone] = stuck({ virginia: old });
  expect(alone?.[0]).toBe('key-service-away');
  expect(alone?.[1]).toContain('frankfurt hears its sidecar');
  const nobody = { reportAgeMs: 42_000 };
  const [unknown] = stuck({ frankfurt: nobody, virginia: old, tokyo: nobody });
  expect(unknown?.[1]).toContain('its sidecar is down, or does not reach the control plane');
  expect(stuck({ virginia: { reportAgeMs: 9_000 } })).toEqual([]);
});

test('what waits for a site whose sidecar is down names it', () => {
  const nobody = {
    linkId: ids.frankfurtVirginia,
    state: 'down' as const,
    sinceMs: 8_000,
    reason: 'nobody listens at the other end',
  };
  const rows = stuck({
    tokyo: { groups: [{ ...forArchive, reason: 'E_LINK_DOWN: no path' }] },
    frankfurt: { links: [nobody] },
    virginia: { reportAgeMs: 9_000 },
  });
  expect(rows.map(([cause]) => cause)).toEqual(['sidecar-down', 'sidecar-down', 'sidecar-down']);
  expect(rows[2]?.[1]).toContain('link frankfurt-virginia down since 12:03: nobody listens at virginia');
});

test('a part of the bus is shown alone, and a name that is not there is refused', () => {
  const reason = 'E_KEY_AWAY: nobody answered';
  const status = busOf({
    tokyo: {
      groups: [
        { ...forArchive, reason },
        { ...forArchive, groupId: ids.risk, reason },
      ],
    },
    virginia: { applied: 1 },
  });
  const named = (filter: Parameters<typeof filterStatus>[2]) =>
    filterStatus(status, stuckThings(status, nowMs), filter).stuck.map(({ name }) => name);
  expect(named({})).toEqual(['virginia', 'acme/trade@archive', 'acme/trade@risk']);
  expect(named({ site: 'tokyo' })).toEqual(['acme/trade@archive', 'acme/trade@risk']);
  expect(named({ group: 'risk' })).toEqual(['acme/trade@risk']);
  expect(named({ topic: 'acme/trade', site: 'virginia' })).toEqual([]);
  const { status: part } = filterStatus(status, [], { group: 'trade@risk' });
  expect(part.sites.flatMap(({ report }) => report?.groups.map(({ groupId }) => groupId))).toEqual([ids.risk]);
  for (const filter of [{ customer: 'globex' }, { site: 'osaka' }, { topic: 'order' }, { group: 'trade@nobody' }]) {
    expect(() => named(filter)).toThrow(expect.objectContaining({ code: 'E_UNKNOWN_NOUN' }));
  }
});
