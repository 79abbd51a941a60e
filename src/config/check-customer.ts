/**
 * What must hold between the nouns of one customer: terminals at sites that exist, links that somebody can dial, groups
 * with terminals of this customer, apps with rights to what exists. Pure, part of check.ts.
 */
import type { LooseNode, LooseText } from './loose.ts';
import { isName, printable } from './names.ts';
import { got, type Problem } from './problem.ts';

/** sites by name, as far as the file says */
type KnownSites = ReadonlyMap<string, { mode: string | undefined; hasWebsocket: boolean }>;

interface LooseTopic {
  isLan: boolean;
  /** group name → its terminals */
  groups: Map<string, Set<string>>;
}

interface Scope {
  customer: string;
  terminals: ReadonlySet<string>;
  topics: ReadonlyMap<string, LooseTopic>;
}

export function checkCustomer(customer: LooseNode, sites: KnownSites): Problem[] {
  const topics = customer.list('topics');
  const apps = customer.list('apps');
  const scope: Scope = {
    customer: printable(customer.text('name') ?? '?'),
    terminals: new Set(customer.texts('terminals').map(({ text }) => text)),
    topics: new Map(topics.map((topic) => [topic.text('name') ?? '', looseTopic(topic)])),
  };
  return [
    ...checkTerminals(customer, sites),
    ...checkLinks(customer, scope, sites),
    ...duplicateNames('topic', topics),
    ...topics.flatMap((topic) => checkTopic(topic, scope)),
    ...duplicateNames('app', apps),
    ...apps.flatMap((app) => checkApp(app, scope)),
  ];
}

/** Every noun whose name an earlier one of the list has already. */
export function duplicateNames(noun: string, nodes: readonly LooseNode[]): Problem[] {
  const names = nodes.flatMap((node) => {
    const text = node.text('name');
    return text === undefined ? [] : [{ text, path: [...node.path, 'name'] }];
  });
  return duplicates(noun, names);
}

/** A port that no socket can have. The rest of host:port is the schema's. */
export function checkPort(node: LooseNode, key: string): Problem[] {
  const port = /:(\d{1,5})$/.exec(node.text(key) ?? '')?.[1];
  if (port === undefined || (Number(port) >= 1 && Number(port) <= 65_535)) return [];
  return [{ path: [...node.path, key], text: `the port must be 1 to 65535 ${got(node.text(key))}` }];
}

function duplicates(noun: string, texts: readonly LooseText[]): Problem[] {
  const seen = new Set<string>();
  return texts.flatMap(({ text, path }) => {
    if (seen.has(text)) return [{ path, text: `${noun} ${printable(text)} is there twice` }];
    seen.add(text);
    return [];
  });
}

function looseTopic(topic: LooseNode): LooseTopic {
  const groups = topic
    .list('groups')
    .map((group): [string, Set<string>] => [
      group.text('name') ?? '',
      new Set(group.texts('terminals').map(({ text }) => text)),
    ]);
  return { isLan: topic.text('scope') === 'lan', groups: new Map(groups) };
}

function checkTerminals(customer: LooseNode, sites: KnownSites): Problem[] {
  const terminals = customer.texts('terminals');
  const unknown = terminals.filter(({ text }) => isName(text) && !sites.has(text));
  return [
    ...duplicates('terminal', terminals),
    ...unknown.map(({ text, path }) => ({ path, text: `there is no site ${printable(text)}` })),
  ];
}

function checkLinks(customer: LooseNode, scope: Scope, sites: KnownSites): Problem[] {
  const links = customer.list('links');
  const linked = new Set<string>();
  const pairs: LooseText[] = [];
  const problems = links.flatMap((link) => {
    const ends = link.texts('between');
    const [a, b] = ends;
    const found = [
      ...checkPort(link, 'via'),
      ...checkPort(link, 'proxy'),
      ...ends.flatMap((end) => checkEnd(end, scope)),
    ];
    if (!a || !b || ends.length !== 2) return found;
    linked.add(a.text).add(b.text);
    pairs.push({ text: [a.text, b.text].sort().join(' '), path: [...link.path, 'between'] });
    return [...found, ...checkPair(a, b, link, sites)];
  });
  return [...problems, ...duplicateLinks(pairs), ...unlinkedClients(customer, linked, sites)];
}

function checkEnd(end: LooseText, scope: Scope): Problem[] {
  if (!isName(end.text) || scope.terminals.has(end.text)) return [];
  return [{ path: end.path, text: `customer ${scope.customer} has no terminal ${printable(end.text)}` }];
}

function checkPair(a: LooseText, b: LooseText, link: LooseNode, sites: KnownSites): Problem[] {
  const path = [...link.path, 'between'];
  if (a.text === b.text) return [{ path, text: `a link from ${printable(a.text)} to itself` }];
  const modeOf = ({ text }: LooseText): string | undefined => sites.get(text)?.mode;
  if (modeOf(a) !== 'client' || modeOf(b) !== 'client') return checkTransport(a, b, link, sites);
  return [
    { path, text: `${printable(a.text)} and ${printable(b.text)} are both client sites: neither can dial the other` },
  ];
}

/** Who accepts a link: the server of a client, and of two servers the one whose name sorts last. */
function checkTransport(a: LooseText, b: LooseText, link: LooseNode, sites: KnownSites): Problem[] {
  if (link.text('transport') !== 'ws' || link.get('via').value !== undefined) return [];
  const servers = [a.text, b.text].filter((name) => sites.get(name)?.mode === 'server').sort();
  const accepting = servers.at(-1);
  if (accepting === undefined || sites.get(accepting)?.hasWebsocket) return [];
  const text = `${printable(accepting)} has no websocket address to dial: give it one, or the link a via`;
  return [{ path: link.get('transport').path, text }];
}

function duplicateLinks(pairs: readonly LooseText[]): Problem[] {
  const seen = new Set<string>();
  return pairs.flatMap(({ text, path }) => {
    if (seen.has(text))
      return [{ path, text: `the link between ${printable(text.replace(' ', ' and '))} is there twice` }];
    seen.add(text);
    return [];
  });
}

function unlinkedClients(customer: LooseNode, linked: ReadonlySet<string>, sites: KnownSites): Problem[] {
  const terminals = customer.texts('terminals');
  if (new Set(terminals.map(({ text }) => text)).size < 2) return [];
  return terminals
    .filter(({ text }) => sites.get(text)?.mode === 'client' && !linked.has(text))
    .map(({ text, path }) => ({
      path,
      text: `client site ${printable(text)} has no link: nothing reaches it or leaves it`,
    }));
}

function checkTopic(topic: LooseNode, scope: Scope): Problem[] {
  const groups = topic.list('groups');
  return [...duplicateNames('group', groups), ...groups.flatMap((group) => checkGroup(group, scope))];
}

function checkGroup(group: LooseNode, scope: Scope): Problem[] {
  const terminals = group.texts('terminals');
  return [...duplicates('terminal', terminals), ...terminals.flatMap((terminal) => checkEnd(terminal, scope))];
}

function checkApp(app: LooseNode, scope: Scope): Problem[] {
  const terminal = app.text('terminal');
  const publish = app.texts('publish');
  const consume = app.texts('consume');
  const deadLetters = app.texts('deadLetters');
  return [
    ...(terminal === undefined ? [] : checkEnd({ text: terminal, path: [...app.path, 'terminal'] }, scope)),
    ...duplicates('topic', publish),
    ...publish.flatMap((topic) => checkPublish(topic, terminal, scope)),
    ...duplicates('group', consume),
    ...consume.flatMap((right) => checkConsume(right, terminal, scope)),
    ...duplicates('group', deadLetters),
    ...deadLetters.flatMap((right) => checkConsume(right, undefined, scope)),
  ];
}

function checkPublish({ text, path }: LooseText, terminal: string | undefined, scope: Scope): Problem[] {
  if (!isName(text)) return [];
  const topic = scope.topics.get(text);
  if (!topic) return [{ path, text: `customer ${scope.customer} has no topic ${printable(text)}` }];
  if (!topic.isLan || topic.groups.size === 0 || terminal === undefined) return [];
  if ([...topic.groups.values()].some((terminals) => terminals.has(terminal))) return [];
  const place = printable(terminal);
  return [
    {
      path,
      text: `topic ${printable(text)} has scope lan and no group at ${place}: what is published there reaches nobody`,
    },
  ];
}

function checkConsume({ text, path }: LooseText, terminal: string | undefined, scope: Scope): Problem[] {
  const [topicName = '', groupName = '', ...rest] = text.split('@');
  if (rest.length > 0 || !isName(topicName) || !isName(groupName))
    return [{ path, text: `use topic@group ${got(text)}` }];
  const topic = scope.topics.get(topicName);
  if (!topic) return [{ path, text: `customer ${scope.customer} has no topic ${printable(topicName)}` }];
  const terminals = topic.groups.get(groupName);
  if (!terminals) return [{ path, text: `topic ${printable(topicName)} has no group ${printable(groupName)}` }];
  if (terminal === undefined || terminals.has(terminal)) return [];
  return [{ path, text: `group ${printable(text)} has no terminal at ${printable(terminal)}, where the app is` }];
}
