/**
 * Changes of a declared bus by one noun, as the CLI's create, rm and set verbs make them. Pure: each answers a new
 * draft, which is then checked as a whole like any file. A noun that is missing or there twice is told by name.
 */
import type { z } from 'zod';
import { BusError } from '../errors.ts';
import type {
  appSchema,
  busFileSchema,
  customerSchema,
  groupSchema,
  linkSchema,
  siteSchema,
  topicSchema,
} from './bus-file.ts';
import { checkName, printable } from './names.ts';

/** A bus as a file may say it, defaults left out. Every BusFile is one. */
export type BusDraft = z.input<typeof busFileSchema>;
type CustomerDraft = z.input<typeof customerSchema>;
type TopicDraft = z.input<typeof topicSchema>;
type LinkDraft = z.input<typeof linkSchema>;

/** A group by its full name, customer/topic@group. */
export interface GroupName {
  customer: string;
  topic: string;
  group: string;
}

export function addSite(bus: BusDraft, site: z.input<typeof siteSchema>): BusDraft {
  return { ...bus, sites: added(bus.sites, 'site', site) };
}

export function removeSite(bus: BusDraft, name: string): BusDraft {
  return { ...bus, sites: removed(bus.sites, 'site', name) };
}

export function addCustomer(bus: BusDraft, customer: CustomerDraft): BusDraft {
  return { ...bus, customers: added(bus.customers ?? [], 'customer', customer) };
}

export function removeCustomer(bus: BusDraft, name: string): BusDraft {
  return { ...bus, customers: removed(bus.customers ?? [], 'customer', name) };
}

/** A terminal together with its first links: a client site's terminal is of no use without one. */
export function addTerminal(bus: BusDraft, customer: string, site: string, links: readonly LinkDraft[]): BusDraft {
  checkName('site', site);
  return changeCustomer(bus, customer, (c) => {
    if (c.terminals.includes(site)) throw exists('terminal', `${customer}/${site}`);
    return { ...c, terminals: [...c.terminals, site], links: [...(c.links ?? []), ...links] };
  });
}

/** A terminal goes with its links. Groups and apps that still name it make the check fail. */
export function removeTerminal(bus: BusDraft, customer: string, site: string): BusDraft {
  return changeCustomer(bus, customer, (c) => {
    if (!c.terminals.includes(site)) throw unknown('terminal', `${customer}/${site}`);
    const links = (c.links ?? []).filter(({ between }) => !between.includes(site));
    return { ...c, terminals: c.terminals.filter((name) => name !== site), links };
  });
}

export function addLink(bus: BusDraft, customer: string, link: LinkDraft): BusDraft {
  for (const end of link.between) checkName('site', end);
  return changeCustomer(bus, customer, (c) => {
    if (c.links?.some(isBetween(link.between))) throw exists('link', linkText(customer, link.between));
    return { ...c, links: [...(c.links ?? []), link] };
  });
}

export function removeLink(bus: BusDraft, customer: string, between: [string, string]): BusDraft {
  return changeCustomer(bus, customer, (c) => {
    if (!c.links?.some(isBetween(between))) throw unknown('link', linkText(customer, between));
    return { ...c, links: c.links.filter((link) => !isBetween(between)(link)) };
  });
}

export function setLink(bus: BusDraft, customer: string, { between, ...fields }: LinkDraft): BusDraft {
  return changeCustomer(bus, customer, (c) => {
    if (!c.links?.some(isBetween(between))) throw unknown('link', linkText(customer, between));
    return { ...c, links: c.links.map((link) => (isBetween(between)(link) ? { ...link, ...fields } : link)) };
  });
}

export function addTopic(bus: BusDraft, customer: string, topic: TopicDraft): BusDraft {
  return changeCustomer(bus, customer, (c) => ({ ...c, topics: added(c.topics ?? [], 'topic', topic) }));
}

/** A topic goes with its groups. Apps that still name it make the check fail. */
export function removeTopic(bus: BusDraft, customer: string, name: string): BusDraft {
  return changeCustomer(bus, customer, (c) => ({ ...c, topics: removed(c.topics ?? [], 'topic', name) }));
}

export function addGroup(bus: BusDraft, name: GroupName, fields: Omit<z.input<typeof groupSchema>, 'name'>): BusDraft {
  const group = { name: name.group, ...fields };
  return changeTopic(bus, name, (topic) => ({ ...topic, groups: added(topic.groups ?? [], 'group', group) }));
}

export function removeGroup(bus: BusDraft, name: GroupName): BusDraft {
  return changeTopic(bus, name, (topic) => ({ ...topic, groups: removed(topic.groups ?? [], 'group', name.group) }));
}

export function setGroup(bus: BusDraft, name: GroupName, fields: Partial<z.input<typeof groupSchema>>): BusDraft {
  return changeTopic(bus, name, (topic) => ({
    ...topic,
    groups: changed(topic.groups ?? [], 'group', name.group, (group) => ({ ...group, ...fields })),
  }));
}

export function addApp(bus: BusDraft, customer: string, app: z.input<typeof appSchema>): BusDraft {
  return changeCustomer(bus, customer, (c) => ({ ...c, apps: added(c.apps ?? [], 'app', app) }));
}

export function removeApp(bus: BusDraft, customer: string, name: string): BusDraft {
  return changeCustomer(bus, customer, (c) => ({ ...c, apps: removed(c.apps ?? [], 'app', name) }));
}

type NamedNoun = 'site' | 'customer' | 'topic' | 'group' | 'app';

function changeCustomer(bus: BusDraft, name: string, change: (customer: CustomerDraft) => CustomerDraft): BusDraft {
  return { ...bus, customers: changed(bus.customers ?? [], 'customer', name, change) };
}

function changeTopic(bus: BusDraft, name: GroupName, change: (topic: TopicDraft) => TopicDraft): BusDraft {
  return changeCustomer(bus, name.customer, (customer) => ({
    ...customer,
    topics: changed(customer.topics ?? [], 'topic', name.topic, change),
  }));
}

function added<T extends { name: string }>(list: readonly T[], noun: NamedNoun, item: T): T[] {
  checkName(noun, item.name);
  if (list.some(({ name }) => name === item.name)) throw exists(noun, item.name);
  return [...list, item];
}

function removed<T extends { name: string }>(list: readonly T[], noun: NamedNoun, name: string): T[] {
  if (!list.some((item) => item.name === name)) throw unknown(noun, name);
  return list.filter((item) => item.name !== name);
}

function changed<T extends { name: string }>(
  list: readonly T[],
  noun: NamedNoun,
  name: string,
  change: (item: T) => T,
): T[] {
  checkName(noun, name);
  if (!list.some((item) => item.name === name)) throw unknown(noun, name);
  return list.map((item) => (item.name === name ? change(item) : item));
}

function isBetween([a, b]: readonly [string, string]): (link: { between: readonly [string, string] }) => boolean {
  return ({ between: [c, d] }) => (a === c && b === d) || (a === d && b === c);
}

function linkText(customer: string, [a, b]: readonly [string, string]): string {
  return `${customer} ${a} ${b}`;
}

function unknown(noun: string, name: string): BusError {
  return new BusError('E_UNKNOWN_NOUN', `there is no ${noun} ${printable(name)}`);
}

function exists(noun: string, name: string): BusError {
  return new BusError('E_EXISTS', `${noun} ${printable(name)} is there already`);
}
