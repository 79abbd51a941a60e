/**
 * Least-cost paths over the terminals of one customer (stage 2 of src/README.md). Pure: a graph of nodes, names or ids,
 * with a cost per link; the same input gives the same paths everywhere, because ties break by the names of the nodes.
 * Only nodes that accept links carry the messages of others: a client-mode terminal is an end, never on the way.
 */

export interface PathEdge {
  a: string;
  b: string;
  /** more than 0; a smaller sum wins */
  cost: number;
}

export interface PathGraph {
  /** every node; `isTransit` when it may carry what is not for it. `name` breaks ties, the node itself by default */
  nodes: readonly { node: string; isTransit: boolean; name?: string }[];
  /** undirected links that are up; ends that are no node are ignored */
  edges: readonly PathEdge[];
}

export interface ShortestPath {
  /** from the origin to the destination, both included */
  path: string[];
  cost: number;
  /** the neighbour to send to; the destination itself when it is one, null at the origin */
  nextHop: string | null;
}

interface Neighbour {
  node: string;
  cost: number;
}

/**
 * The best path from `from` to every node that can be reached, `from` itself included (cost 0). Of two paths with the
 * same cost the one with fewer hops wins, then the one whose names come first in the order of the alphabet.
 */
export function shortestPaths(graph: PathGraph, from: string): Map<string, ShortestPath> {
  const nodes = new Map(graph.nodes.map((entry) => [entry.node, entry]));
  const neighbours = neighboursOf(graph.edges);
  const nameOf = (node: string): string => nodes.get(node)?.name ?? node;
  const best = new Map<string, ShortestPath>();
  const open = new Map<string, ShortestPath>();
  if (nodes.has(from)) open.set(from, { path: [from], cost: 0, nextHop: null });

  for (let next = takeBest(open, nameOf); next; next = takeBest(open, nameOf)) {
    const [node, reached] = next;
    best.set(node, reached);
    if (node !== from && !nodes.get(node)?.isTransit) continue;
    for (const neighbour of neighbours.get(node) ?? []) {
      if (!nodes.has(neighbour.node) || best.has(neighbour.node)) continue;
      const candidate = extend(reached, neighbour);
      const known = open.get(neighbour.node);
      if (!known || isBetter(candidate, known, nameOf)) open.set(neighbour.node, candidate);
    }
  }
  return best;
}

function neighboursOf(edges: readonly PathEdge[]): Map<string, Neighbour[]> {
  const neighbours = new Map<string, Neighbour[]>();
  const add = (node: string, neighbour: Neighbour): void => {
    const known = neighbours.get(node);
    if (known) known.push(neighbour);
    else neighbours.set(node, [neighbour]);
  };
  for (const { a, b, cost } of edges) {
    add(a, { node: b, cost });
    add(b, { node: a, cost });
  }
  return neighbours;
}

// A customer has tens of terminals, at most hundreds: a scan is quicker than keeping a heap.
function takeBest(
  open: Map<string, ShortestPath>,
  nameOf: (node: string) => string,
): [string, ShortestPath] | undefined {
  let found: [string, ShortestPath] | undefined;
  for (const entry of open) if (!found || isBetter(entry[1], found[1], nameOf)) found = entry;
  if (found) open.delete(found[0]);
  return found;
}

function extend({ path, cost, nextHop }: ShortestPath, { node, cost: step }: Neighbour): ShortestPath {
  return { path: [...path, node], cost: cost + step, nextHop: nextHop ?? node };
}

/** Cost, then hops, then names: a total order, so no run of the loop depends on the order of the input. */
function isBetter(a: ShortestPath, b: ShortestPath, nameOf: (node: string) => string): boolean {
  if (a.cost !== b.cost) return a.cost < b.cost;
  if (a.path.length !== b.path.length) return a.path.length < b.path.length;
  for (const [index, node] of a.path.entries()) {
    const [left, right] = [nameOf(node), nameOf(b.path[index] ?? '')];
    if (left !== right) return left < right;
  }
  return false;
}
