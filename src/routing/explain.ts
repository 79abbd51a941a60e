/**
 * Which way a message would take, from a declared bus alone: its links and their operator costs, without what a running
 * bus measures. Serves `mbus route explain`, and tests that compare a running bus with it.
 */
import type { BusFile, CustomerSpec, GroupSpec } from '../config/bus-file.ts';
import { printable } from '../config/names.ts';
import { BusError } from '../errors.ts';
import { type PathGraph, type ShortestPath, shortestPaths } from './paths.ts';

export interface RouteQuestion {
  customer: string;
  from: string;
  /** terminal to reach; or a group, of which the policy chooses the terminal */
  to: { terminal: string } | { topic: string; group: string };
  /** links that are down, by their ends in any order */
  down: readonly (readonly [string, string])[];
}

export interface RouteAnswer {
  /** null: no way while these links are down */
  path: string[] | null;
  cost: number | null;
  nextHop: string | null;
  /** the terminal chosen, when the question named a group */
  terminal?: string | null;
}

/** Answers from the file's costs. E_UNKNOWN_NOUN for a name the file does not have. */
export function explainRoute(bus: BusFile, question: RouteQuestion): RouteAnswer {
  const customer = find(bus.customers, 'customer', question.customer);
  requireTerminal(customer, question.from);
  const paths = shortestPaths(customerGraph(bus, customer, question.down), question.from);
  if ('terminal' in question.to) {
    requireTerminal(customer, question.to.terminal);
    return answer(paths.get(question.to.terminal));
  }
  const topic = find(customer.topics, 'topic', question.to.topic);
  const group = find(topic.groups, 'group', question.to.group);
  const terminal = chooseTerminal(group, question.from, paths);
  return { ...answer(terminal === null ? undefined : paths.get(terminal)), terminal };
}

/** The terminals of a customer with the links that are up. */
export function customerGraph(
  bus: BusFile,
  customer: CustomerSpec,
  down: readonly (readonly [string, string])[],
): PathGraph {
  const carriers = new Set(
    bus.sites.filter(({ mode, transit }) => mode === 'server' || transit).map(({ name }) => name),
  );
  for (const ends of down) requireLink(customer, ends);
  const isDown = ([a, b]: readonly [string, string]): boolean => down.some(([c, d]) => isPair(a, b, c, d));
  return {
    nodes: customer.terminals.map((node) => ({ node, isTransit: carriers.has(node) })),
    edges: customer.links
      .filter(({ between }) => !isDown(between))
      .map(({ between: [a, b], cost }) => ({ a, b, cost })),
  };
}

// A terminal of the group at the origin is always fed by its own server, whatever the policy says.
function chooseTerminal(group: GroupSpec, from: string, paths: ReadonlyMap<string, ShortestPath>): string | null {
  if (group.terminals.includes(from)) return from;
  const reachable = group.terminals.filter((terminal) => paths.has(terminal));
  if (group.policy === 'ordered') return reachable[0] ?? null;
  const costOf = (terminal: string): number => paths.get(terminal)?.cost ?? Number.POSITIVE_INFINITY;
  return [...reachable].sort((a, b) => costOf(a) - costOf(b) || (a < b ? -1 : 1))[0] ?? null;
}

function answer(found: ShortestPath | undefined): RouteAnswer {
  return found ?? { path: null, cost: null, nextHop: null };
}

function find<T extends { name: string }>(list: readonly T[], noun: string, name: string): T {
  const found = list.find((item) => item.name === name);
  if (!found) throw new BusError('E_UNKNOWN_NOUN', `there is no ${noun} ${printable(name)}`);
  return found;
}

function requireTerminal(customer: CustomerSpec, site: string): void {
  if (customer.terminals.includes(site)) return;
  throw new BusError('E_UNKNOWN_NOUN', `customer ${customer.name} has no terminal ${printable(site)}`);
}

function requireLink(customer: CustomerSpec, [a, b]: readonly [string, string]): void {
  if (customer.links.some(({ between: [c, d] }) => isPair(a, b, c, d))) return;
  throw new BusError(
    'E_UNKNOWN_NOUN',
    `customer ${customer.name} has no link between ${printable(a)} and ${printable(b)}`,
  );
}

function isPair(a: string, b: string, c: string, d: string): boolean {
  return (a === c && b === d) || (a === d && b === c);
}
