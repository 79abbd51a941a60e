import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/nats-core';
import { BusError } from '../src/errors.ts';
import { openConnection } from '../src/site/connections.ts';
import { type Attack, type Outcome, verdict } from './attack.ts';
import { leafConnections } from './looks.ts';
import { soon, type World } from './world.ts';

/** What the server says to a request: a JSON answer, an error's name, or `silence`. */
async function ask(nc: NatsConnection, subject: string, payload = ''): Promise<string> {
  try {
    return (await nc.request(subject, payload, { timeout: 700 })).string();
  } catch (error) {
    return error instanceof Error ? error.name : 'error';
  }
}

/** Subjects that were answered with something. */
async function answered(nc: NatsConnection, subjects: readonly string[]): Promise<string[]> {
  const answers = await Promise.all(subjects.map(async (subject) => ({ subject, text: await ask(nc, subject, '{}') })));
  return answers
    .filter(({ text }) => text.includes('{'))
    .map(({ subject, text }) => `${subject}: ${text.slice(0, 60)}`);
}

/** A connection of the sidecar's own rights, to see whether anything has changed. */
async function inside(world: World, site: string, customer: string): Promise<NatsConnection> {
  const actor = await world.site(site);
  const noLink = (): never => {
    throw new BusError('E_INTERNAL', 'no link is asked for');
  };
  const nc = await openConnection(actor.dir, { customer: actor.customer(customer).id }, noLink);
  world.onEnd(() => nc.close());
  return nc;
}

async function eavesdrop(world: World): Promise<Outcome> {
  const wanted = ['>', '*.>', '*', '$JS.>', '_mb.>', 'mb.>', 'trade.>', 'trade', '$LDS.>', '$SYS.>', '_INBOX_x.>'];
  const [spy, mole, rogue] = [
    await world.app('globex/spy'),
    await world.app('globex/mole'),
    await world.app('acme/rogue'),
  ];
  let heard = 0;
  let refused = 0;
  for (const nc of [spy, mole, rogue]) {
    for (const subject of wanted) {
      nc.subscribe(subject, { callback: (error) => void (error === null ? heard++ : refused++) });
    }
  }
  const before = world.victim.arrived;
  const published = await soon(() => world.victim.arrived - before >= world.messages, world.messages * 100 + 20_000);
  await soon(() => refused === 3 * wanted.length);
  const kept = await keptApart(world);
  const problems = [
    heard > 0 ? `${heard} messages heard` : '',
    kept,
    published ? '' : 'the victim’s messages do not flow',
  ];
  return verdict(
    problems.filter(Boolean),
    `${refused} of ${3 * wanted.length} subscriptions refused, 0 heard of ${world.messages}`,
  );
}

/** Where a customer keeps its applications apart, one of them hears no reply to another; what is wrong, or nothing. */
async function keptApart(world: World): Promise<string> {
  const clerk = await world.app('initech/clerk');
  const snoop = await world.app('initech/snoop');
  let heard = 0;
  for (const subject of ['_INBOX.>', '_INBOX_clerk.>', '_INBOX_*.>', '>'])
    snoop.subscribe(subject, { callback: (error) => void (error ?? heard++) });
  await snoop.flush();
  const js = jetstream(clerk);
  for (let n = 0; n < 10; n++) await js.publish('memo.note', `${n}`);
  await snoop.flush();
  return heard > 0 ? `${heard} replies to another application heard` : '';
}

async function foreignStreams(world: World): Promise<Outcome> {
  const spy = await world.app('globex/mole');
  const names = ['trade@desk', 'quote', 'quote@wall'];
  const subjects = names.flatMap((name) => [
    `$JS.API.STREAM.INFO.${name}`,
    `$JS.API.STREAM.MSG.GET.${name}`,
    `$JS.API.DIRECT.GET.${name}`,
    `$JS.API.CONSUMER.NAMES.${name}`,
    `$JS.acme.API.STREAM.INFO.${name}`,
  ]);
  const consumers = [
    '$JS.API.CONSUMER.INFO.trade@desk.desk',
    '$JS.API.CONSUMER.MSG.NEXT.quote@wall.wall',
    '$JS.API.INFO',
  ];
  return verdict(await answered(spy, [...subjects, ...consumers]), `${subjects.length + 3} requests, 0 bytes`);
}

const management = [
  ...['CREATE.x', 'UPDATE.trade', 'PURGE.trade', 'PURGE.trade@risk', 'DELETE.trade', 'DELETE.trade@risk'],
  ...['SNAPSHOT.trade', 'RESTORE.y', 'MSG.DELETE.trade@risk', 'LIST', 'NAMES'],
].map((call) => `$JS.API.STREAM.${call}`);

async function manage(world: World): Promise<Outcome> {
  const rogue = await world.app('acme/rogue');
  const jsm = await jetstreamManager(await inside(world, 'frankfurt', 'acme'));
  const configs = async (): Promise<string> =>
    JSON.stringify(
      await Promise.all(['trade@risk', 'quote@wall'].map(async (name) => (await jsm.streams.info(name)).config)),
    );
  const before = await configs();
  const consumers = ['CREATE.trade@risk', 'DELETE.trade@risk.risk', 'RESET.trade@risk.risk', 'PAUSE.quote@wall.wall'];
  const all = [...management, ...consumers.map((call) => `$JS.API.CONSUMER.${call}`), '$JS.API.ACCOUNT.PURGE.x'];
  const problems = await answered(rogue, all);
  const mirror = JSON.stringify({ name: 'mine', mirror: { name: 'trade@risk' } });
  if ((await ask(rogue, '$JS.API.STREAM.CREATE.mine', mirror)).includes('{')) problems.push('a mirror was made');
  const lazy = JSON.stringify({ name: 'quote@wall', persist_mode: 'async' });
  if ((await ask(rogue, '$JS.API.STREAM.UPDATE.quote@wall', lazy)).includes('{'))
    problems.push('a stream writes later');
  if ((await configs()) !== before) problems.push('a stream has changed');
  return verdict(problems, `${all.length + 2} calls refused, streams unchanged`);
}

async function cutOwnLink(world: World): Promise<Outcome> {
  const rogue = await world.app('acme/rogue');
  const osaka = await world.site('osaka');
  const before = await leafConnections(world);
  const subjects = [
    '$SYS.REQ.ACCOUNT.PING.CONNZ',
    '$SYS.REQ.SERVER.PING',
    `$LDS.${osaka.siteId}`,
    '$GR.x',
    '$SYS.REQ.USER.INFO',
  ];
  const problems = await answered(rogue, subjects);
  let heard = 0;
  for (const subject of ['$LDS.>', '$SYS.>', '$GR.>'])
    rogue.subscribe(subject, { callback: (error) => void (error ?? heard++) });
  await rogue.flush();
  if (heard > 0) problems.push(`${heard} messages heard`);
  if (before === '' || (await leafConnections(world)) !== before) problems.push('a link was cut');
  return verdict(problems, `${subjects.length} requests and 3 subscriptions refused, links stay`);
}

async function otherGroup(world: World): Promise<Outcome> {
  const rogue = await world.app('acme/rogue');
  const jsm = await jetstreamManager(await inside(world, 'frankfurt', 'acme'));
  const info = await jsm.consumers.info('trade@desk', 'desk');
  const problems = await answered(rogue, [
    '$JS.API.CONSUMER.INFO.trade@desk.desk',
    '$JS.API.CONSUMER.MSG.NEXT.trade@desk.desk',
    '$JS.API.CONSUMER.RESET.trade@desk.desk',
    '$JS.API.CONSUMER.UNPIN.trade@desk.desk',
  ]);
  for (let seq = 1; seq <= 20; seq++) {
    for (const word of ['+ACK', '+TERM', '-NAK']) rogue.publish(`$JS.ACK.trade@desk.desk.1.${seq}.${seq}.1.1`, word);
  }
  await rogue.flush();
  const after = await jsm.consumers.info('trade@desk', 'desk');
  if (after.ack_floor.stream_seq !== info.ack_floor.stream_seq) problems.push('the other group’s floor has moved');
  if (after.delivered.stream_seq !== info.delivered.stream_seq) problems.push('the other group’s messages were taken');
  return verdict(problems, '4 requests and 60 acknowledgements refused, its position stays');
}

async function replySubjects(world: World): Promise<Outcome> {
  const rogue = await world.app('acme/rogue');
  const jsm = await jetstreamManager(await inside(world, 'frankfurt', 'acme'));
  const subjects = async (): Promise<string[]> =>
    Object.keys((await jsm.streams.info('trade@risk', { subjects_filter: '>' })).state.subjects ?? {}).sort();
  const markers = async (): Promise<string> => (await subjects()).filter((each) => each.startsWith('_mb')).join();
  const before = await markers();
  const secret = '0'.repeat(32);
  const named = [
    ...[`_mb.in.${secret}.trade.forged`, `_mb.mark.${secret}.x`, '_mb.in.trade.forged', '_mb.mark.>', '_mb.feed.0'],
    ...['mb.l.a.b.f', 'mb.ctl.notice', 'trade.forged'],
  ];
  for (const reply of named) {
    rogue.publish(reply, 'forged');
    rogue.publish('$JS.API.CONSUMER.INFO.quote@wall.wall', '', { reply });
    rogue.publish('$JS.API.CONSUMER.MSG.NEXT.quote@wall.wall', '{"batch":1,"no_wait":true}', { reply });
  }
  await rogue.flush();
  const problems: string[] = [];
  if ((await markers()) !== before) problems.push('a marker was forged');
  // an acknowledgement's text in another topic of the same customer is documented, never an arrival
  if ((await subjects()).some((subject) => subject.startsWith('_mb.in'))) problems.push('an arrival was forged');
  return verdict(problems, `${named.length} subjects outright and as reply: no arrival, no marker`);
}

/** What a reply subject may carry a stored message to: the subject and the message that would act there. */
const carriers: [subject: string, message: string][] = [
  ...['$JS.API', '$BUS.API', '$JS.hub.API'].flatMap((api): [string, string][] => [
    [`${api}.STREAM.PURGE.till@safe`, ''],
    [`${api}.STREAM.DELETE.till@safe`, ''],
    [`${api}.CONSUMER.DELETE.till@safe.safe`, ''],
    [`${api}.CONSUMER.RESET.till@safe.safe`, ''],
    [`${api}.CONSUMER.DURABLE.CREATE.till.spy`, spyOn('till')],
    [`${api}.CONSUMER.MSG.NEXT.till@safe.safe`, '{"batch":5,"expires":1000000000}'],
  ]),
  ...['till.forged', '_mb.in.till.forged', '_mb.mark.0', '_R_.x', '_INBOX.x'].map((to): [string, string] => [to, 'x']),
  ['$JS.ACK.till@safe.safe.1.1.1.1.0', '+ACK'],
];

function spyOn(stream: string): string {
  const config = { durable_name: 'spy', deliver_subject: '_INBOX.spy', ack_policy: 'none' };
  return JSON.stringify({ stream_name: stream, config });
}

/**
 * A pull is answered by the server itself, wherever the one who asks wants it: with JetStream's API as reply subject, another group's
 * pulls, another topic, each with a message that would act there.
 */
async function carriedRequest(world: World): Promise<Outcome> {
  const [clerk, snoop] = [await world.app('initech/clerk'), await world.app('initech/snoop')];
  const jsm = await jetstreamManager(await inside(world, 'frankfurt', 'initech'));
  for (let n = 0; n < 5; n++) await jetstream(snoop).publish('till', `${n}`);
  const count = async (name: string): Promise<number> => (await jsm.streams.info(name)).state.messages;
  const isThere = await soon(async () => (await count('till@safe')) >= 5);
  const look = async (): Promise<string> => {
    const { delivered, ack_floor } = await jsm.consumers.info('till@safe', 'safe');
    const consumers = (await jsm.consumers.list('till').next()).map(({ name }) => name).sort();
    const { last_seq } = (await jsm.streams.info('till')).state;
    return JSON.stringify([await count('till@safe'), last_seq, delivered, ack_floor, consumers]);
  };
  const [before, given] = [await look(), await givenTo(jsm)];
  let heard = 0;
  clerk.subscribe('_INBOX.spy', { callback: (error) => void (error ?? heard++) });
  const pull = (reply: string): void =>
    clerk.publish('$JS.API.CONSUMER.MSG.NEXT.memo@staff.staff', '{"batch":1,"no_wait":true}', { reply });
  const own = await jetstream(clerk).consumers.get('memo@staff', 'staff');
  for (const [reply, message] of carriers) {
    for (const subject of ['memo', '$JS.API.CONSUMER.INFO.memo@staff.staff']) clerk.publish(subject, '', { reply });
    await jetstream(clerk).publish('memo', 'behind the one before');
    const { num_pending: waiting } = await own.info();
    for await (const each of await own.fetch({ max_messages: waiting, expires: 1_000 })) each.ack();
    // the first is given a status without a body, the second what is stored
    pull(reply);
    await jetstream(clerk).publish('memo', message);
    pull(reply);
  }
  await clerk.flush();
  const isCarried = await soon(async () => (await givenTo(jsm)) > given);
  await soon(
    () =>
      look()
        .then((now) => now !== before || heard > 0)
        .catch(() => true),
    3_000,
  );
  const after = await look().catch(() => 'a stream or a group is gone');
  const problems = [
    isThere && isCarried ? '' : 'no message was carried',
    after === before ? '' : `what the application has no right to has changed: ${before} is ${after}`,
    heard === 0 ? '' : `${heard} of another topic's messages heard`,
  ];
  return verdict(problems.filter(Boolean), `${carriers.length} subjects named, nothing beyond its rights has changed`);
}

/** Messages that nats-server sent out for clerk's group. */
async function givenTo(jsm: JetStreamManager): Promise<number> {
  return (await jsm.consumers.info('memo@staff', 'staff')).delivered.consumer_seq;
}

const reserved: [string, string][] = [
  ...['sub', 'all'].map((value): [string, string] => ['Nats-Rollup', value]),
  ...[
    ['Nats-TTL', '1s'],
    ['Nats-Trace-Only', 'true'],
    ['Nats-Trace-Dest', '_mb.mark.0.0'],
    ['Nats-Expected-Stream', 'other'],
    ['Nats-Expected-Last-Sequence', '1'],
    ['Nats-Expected-Last-Subject-Sequence', '999'],
    ['Nats-Schedule', '@at 2040-01-01T00:00:00Z'],
    ['Nats-Incr', '+1'],
    ['Nats-Batch-Id', 'b1'],
    ['Nats-Required-Api-Level', '99'],
    ['Nats-Msg-Id', 'of a victim'],
    ['Mb-Time', '1970-01-01T00:00:00Z'],
  ].map(([name = '', value = '']): [string, string] => [name, value]),
];

async function reservedHeaders(world: World): Promise<Outcome> {
  const js = jetstream(await world.app('acme/intruder'));
  const far = await jetstream(await world.app('acme/rogue')).consumers.get('quote@wall', 'wall');
  let taken = 0;
  for (const [name, value] of reserved) {
    const head = headers();
    head.append(name, value);
    const wasTaken = await js.publish('quote.h', name, { headers: head, timeout: 3_000 }).then(
      () => 1,
      () => 0,
    );
    taken += wasTaken;
  }
  // what comes after the poison must come whole
  const plain = Array.from({ length: 20 }, (_, n) => `plain ${n}`);
  for (const text of plain) await js.publish('quote.p', text);
  const seen: string[] = [];
  const problems: string[] = [];
  const isAll = await soon(async () => {
    for await (const message of await far.fetch({ max_messages: 50, expires: 1_000 })) {
      seen.push(message.string());
      const names = [...(message.headers ?? [])].map(([name]) => name);
      // an arrival is part of an atomic batch of the bus's own
      const foul = names.filter((name) => /^nats-(?!batch-)/i.test(name));
      if (foul.length > 0) problems.push(`${foul} arrived`);
      message.ack();
    }
    return plain.every((text) => seen.includes(text));
  }, 40_000);
  if (!isAll) problems.push('messages after them do not arrive');
  const twice = plain.filter((text) => seen.filter((each) => each === text).length > 1);
  if (twice.length > 0) problems.push('a message came twice');
  return verdict(problems, `${reserved.length - taken} refused, ${taken} taken as plain data, 20 after them arrived`);
}

export const appAttacks: Attack[] = [
  { id: 'T1', attempt: 'applications subscribe to everything', defence: 'app-subscribe-rights', run: eavesdrop },
  {
    id: 'T2',
    attempt: 'another customer’s streams and consumers by name',
    defence: { note: 'accounts are nats-server’s own; one account for all customers is not this product' },
    run: foreignStreams,
  },
  {
    id: 'T3',
    attempt: 'streams and consumers made, changed, purged, mirrored',
    defence: 'app-publish-rights',
    run: manage,
  },
  {
    id: 'T4',
    attempt: 'the account’s own link and the system account',
    defence: 'app-publish-rights',
    run: cutOwnLink,
  },
  {
    id: 'T5',
    attempt: 'another group’s messages taken and acknowledged',
    defence: 'app-publish-rights',
    run: otherGroup,
  },
  {
    id: 'T6',
    attempt: 'the bus’s own subjects, outright and as reply subject',
    defence: 'app-publish-rights',
    run: replySubjects,
  },
  {
    id: 'T11',
    attempt: 'JetStream’s API, another group, another topic as the reply subject of a pull',
    defence: 'app-accounts',
    run: carriedRequest,
  },
  {
    id: 'T7',
    attempt: 'reserved headers',
    defence: 'reserved-headers',
    run: reservedHeaders,
  },
];
