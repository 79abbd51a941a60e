/**
 * What must hold between the nouns of one customer: terminals at sites that exist, links that somebody can dial, groups
 * with terminals of this customer, apps with rights to what exists. Pure, part of check.ts.
 */
import type { LooseNode, LooseText } from './loose.ts';
import { isName, printable } from './names.ts';
import { got, type Problem } from './problem.ts';

/** site name → its mode, as far as the file says */
type SiteModes = ReadonlyMap<string, string | undefined>;

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

export function checkCustomer(customer: LooseNode, modes: SiteModes): Problem[] {
  const topics = customer.list('topics');
  const apps = customer.list('apps');
  const scope: Scope = {
    customer: printable(customer.text('name') ?? '?'),
    terminals: new Set(customer.texts('terminals').map(({ text }) => text)),
    topics: new Map(topics.map((topic) => [topic.text('name') ?? '', looseTopic(topic)])),
  };
  return [
    ...checkTerminals(customer, modes),
    ...checkLinks(customer, scope, modes),
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

function checkTerminals(customer: LooseNode, modes: SiteModes): Problem[] {
  const terminals = customer.texts('terminals');
  const unknown = terminals.filter(({ text }) => isName(text) && !modes.has(text));
  return [
    ...duplicates('terminal', terminals),
    ...unknown.map(({ text, path }) => ({ path, text: `there is no site ${printable(text)}` })),
  ];
}

function checkLinks(customer: LooseNode, scope: Scope, modes: SiteModes): Problem[] {
  const links = customer.list('links');
  const linked = new Set<string>();
  const pairs: LooseText[] = [];
  const problems = links.flatMap((link) => {
    const ends = link.texts('between');
    const [a, b] = ends;
    const found = [...checkPort(link, 'via'), ...ends.flatMap((end) => checkEnd(end, scope))];
    if (!a || !b || ends.length !== 2) return found;
    linked.add(a.text).add(b.text);
    pairs.push({ text: [a.text, b.text].sort().join(' '), path: [...link.path, 'between'] });
    return [...found, ...checkPair(a, b, link, modes)];
  });
  return [...problems, ...duplicateLinks(pairs), ...unlinkedClients(customer, linked, modes)];
}

function checkEnd(end: LooseText, scope: Scope): Problem[] {
  if (!isName(end.text) || scope.terminals.has(end.text)) return [];
  return [{ path: end.path, text: `customer ${scope.customer} has no terminal ${printable(end.text)}` }];
}

function checkPair(a: LooseText, b: LooseText, link: LooseNode, modes: SiteModes): Problem[] {
  const path = [...link.path, 'between'];
  if (a.text === b.text) return [{ path, text: `a link from ${printable(a.text)} to itself` }];
  if (modes.get(a.text) !== 'client' || modes.get(b.text) !== 'client') return [];
  return [
    { path, text: `${printable(a.text)} and ${printable(b.text)} are both client sites: neither can dial the other` },
  ];
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

function unlinkedClients(customer: LooseNode, linked: ReadonlySet<string>, modes: SiteModes): Problem[] {
  const terminals = customer.texts('terminals');
  if (new Set(terminals.map(({ text }) => text)).size < 2) return [];
  return terminals
    .filter(({ text }) => modes.get(text) === 'client' && !linked.has(text))
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
  return [
    ...(terminal === undefined ? [] : checkEnd({ text: terminal, path: [...app.path, 'terminal'] }, scope)),
    ...duplicates('topic', publish),
    ...publish.flatMap((topic) => checkPublish(topic, terminal, scope)),
    ...duplicates('group', consume),
    ...consume.flatMap((right) => checkConsume(right, terminal, scope)),
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
