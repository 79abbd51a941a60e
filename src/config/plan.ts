/**
 * The difference between two declared buses, as an ordered list of changes: what goes away first (dependents before
 * what they depend on), then what is new or different (a noun before what depends on it). Pure; `mbus diff` prints it,
 * the registry records it.
 */
import type { Change } from '../api/methods.ts';
import type { AppSpec, BusFile, CustomerSpec, GroupSpec, LinkSpec, TopicSpec } from './bus-file.ts';

type Noun = Change['noun'];

/** A noun of the file with its fields as comparable text. */
interface Entry {
  noun: Noun;
  name: string;
  fields: ReadonlyMap<string, string>;
}

const byDependence: readonly Noun[] = ['site', 'customer', 'terminal', 'link', 'topic', 'group', 'app'];

/** What takes `current` to `desired`. Empty when they say the same, whatever their order. */
export function planChanges(current: BusFile, desired: BusFile): Change[] {
  const before = entriesOf(current);
  const after = entriesOf(desired);
  const removals = [...before].filter(([key]) => !after.has(key)).map(([, entry]) => change('remove', entry, []));
  const rest = [...after].flatMap(([key, entry]) => {
    const old = before.get(key);
    if (!old) return [change('add', entry, [])];
    const fields = differences(old.fields, entry.fields);
    return fields.length === 0 ? [] : [change('update', entry, fields)];
  });
  return [...removals.sort((a, b) => rank(b) - rank(a)), ...rest.sort((a, b) => rank(a) - rank(b))];
}

function change(action: Change['action'], { noun, name }: Entry, fields: string[]): Change {
  return { action, noun, name, fields };
}

function rank({ noun }: Change): number {
  return byDependence.indexOf(noun);
}

function differences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].flatMap((key) => {
    const [old, now] = [before.get(key) ?? '-', after.get(key) ?? '-'];
    return old === now ? [] : [`${key}: ${old} -> ${now}`];
  });
}

function entriesOf(bus: BusFile): Map<string, Entry> {
  const entries = [
    ...bus.sites.map(({ name, ...site }) => entry('site', name, site)),
    ...bus.customers.flatMap(customerEntries),
  ];
  return new Map(entries.map((e) => [`${e.noun} ${e.noun === 'link' ? e.fields.get('between') : ''} ${e.name}`, e]));
}

function customerEntries(customer: CustomerSpec): Entry[] {
  const under = (name: string): string => `${customer.name}/${name}`;
  return [
    entry('customer', customer.name, ownFields(customer)),
    ...customer.terminals.map((name) => entry('terminal', under(name), {})),
    ...customer.links.map((link) => linkEntry(customer.name, link)),
    ...customer.topics.map(({ name, groups: _, ...topic }) => entry('topic', under(name), topic)),
    ...customer.topics.flatMap((topic) => topic.groups.map((group) => groupEntry(customer.name, topic, group))),
    ...customer.apps.map((app) => appEntry(customer.name, app)),
  ];
}

function ownFields(spec: CustomerSpec): Record<string, unknown> {
  const { isolateApps, maxConnections, maxPayload, maxStorage, maxConsumers } = spec;
  return { isolateApps, maxConnections, maxPayload, maxStorage, maxConsumers };
}

// A link has no direction, so its ends are compared and named in order of the alphabet.
function linkEntry(customer: string, { between, ...link }: LinkSpec): Entry {
  return entry('link', `${customer}/${[...between].sort().join('-')}`, { ...link, between: [...between].sort() });
}

// The order of a group's terminals says something only where the policy follows it.
function groupEntry(customer: string, topic: TopicSpec, { name, terminals, ...group }: GroupSpec): Entry {
  const ordered = group.policy === 'ordered' ? terminals : [...terminals].sort();
  return entry('group', `${customer}/${topic.name}@${name}`, { terminals: ordered, ...group });
}

function appEntry(customer: string, { name, terminal, publish, consume, deadLetters }: AppSpec): Entry {
  const rights = { publish: [...publish].sort(), consume: [...consume].sort(), deadLetters: [...deadLetters].sort() };
  return entry('app', `${customer}/${name}`, { terminal, ...rights });
}

function entry(noun: Noun, name: string, fields: Record<string, unknown>): Entry {
  const texts = Object.entries(fields).flatMap(([key, value]): [string, string][] =>
    value === undefined ? [] : [[key, Array.isArray(value) ? `[${value.join(', ')}]` : String(value)]],
  );
  return { noun, name, fields: new Map(texts) };
}
