/**
 * A bus as YAML, for `mbus export`: fields in the order of the schema, one line per site, link, group and app, defaults
 * left out. parseBusFile of the result gives the same bus.
 */
import { Document, isMap, isSeq, visit } from 'yaml';
import type { z } from 'zod';
import {
  appSchema,
  type BusFile,
  type CustomerSpec,
  customerSchema,
  groupSchema,
  linkSchema,
  siteSchema,
  type TopicSpec,
  topicSchema,
} from './bus-file.ts';

const siteDefaults = siteSchema.parse({ name: 'x', mode: 'client' });
const customerDefaults = customerSchema.parse({ name: 'x', terminals: ['x'] });
const linkDefaults = linkSchema.parse({ between: ['x', 'y'] });
const topicDefaults = topicSchema.parse({ name: 'x' });
const groupDefaults = groupSchema.parse({ name: 'x', terminals: ['x'] });
const appDefaults = appSchema.parse({ name: 'x', terminal: 'x' });

/** The text of a bus file. */
export function formatBusFile(bus: BusFile): string {
  const document = new Document({
    sites: bus.sites.map((site) => sparse(siteSchema, site, siteDefaults)),
    ...(bus.customers.length > 0 && { customers: bus.customers.map(customer) }),
  });
  visit(document, {
    // Leaves of the bus stand on one line each; what holds other nouns is spread out.
    Map: (_, map) => {
      map.flow = map.items.every(({ key, value }) => !isMap(value) && !isListOfMaps(value) && String(key) !== 'sites');
    },
    Seq: (_, seq) => {
      seq.flow = !isListOfMaps(seq);
    },
  });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function customer(spec: CustomerSpec): Record<string, unknown> {
  const { links, topics, apps, ...rest } = spec;
  return {
    ...sparse(customerSchema, { ...rest, links: [], topics: [], apps: [] }, customerDefaults),
    ...(links.length > 0 && { links: links.map((link) => sparse(linkSchema, link, linkDefaults)) }),
    ...(topics.length > 0 && { topics: topics.map(topic) }),
    ...(apps.length > 0 && { apps: apps.map((app) => sparse(appSchema, app, appDefaults)) }),
  };
}

function topic({ groups, ...spec }: TopicSpec): Record<string, unknown> {
  return {
    ...sparse(topicSchema, { ...spec, groups: [] }, topicDefaults),
    ...(groups.length > 0 && { groups: groups.map((group) => sparse(groupSchema, group, groupDefaults)) }),
  };
}

/** Names and required fields stay; a field that says its default goes. */
function sparse<T extends Record<string, unknown>>(schema: z.ZodObject, spec: T, defaults: T): Record<string, unknown> {
  const keys = Object.keys(schema.shape).filter((key) => {
    const isRequired = !schema.shape[key]?.safeParse(undefined).success;
    return spec[key] !== undefined && (isRequired || !isSame(spec[key], defaults[key]));
  });
  return Object.fromEntries(keys.map((key) => [key, spec[key]]));
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || (Array.isArray(a) && Array.isArray(b) && a.length === 0 && b.length === 0);
}

function isListOfMaps(value: unknown): boolean {
  return isSeq(value) && value.items.some(isMap);
}
