/**
 * Alternatives that fail apart: paths which share no link, and no node but their ends. Pure. A minimum-cost flow over split
 * nodes (each node may be passed once), so two ways are found also where the best single path blocks every second one.
 */
import type { PathGraph, ShortestPath } from './paths.ts';

/** An arc and its reverse stand next to each other: `arc ^ 1` is the other one. */
interface Network {
  /** arcs that leave a vertex */
  out: number[][];
  target: number[];
  cost: number[];
  room: number[];
}

/**
 * At most `most` paths whose costs together are the smallest for their number, cheapest first. Only links that are up
 * (the default) are used.
 */
export function disjointPaths(graph: PathGraph, from: string, to: string, most: number): ShortestPath[] {
  const indexOf = new Map(graph.nodes.map(({ node }, index) => [node, index]));
  const [origin, destination] = [indexOf.get(from), indexOf.get(to)];
  if (origin === undefined || destination === undefined || origin === destination) return [];
  const network = layOut(graph, indexOf, origin, destination);
  for (let count = 0; count < most; count++) if (!augment(network, leaves(origin), enters(destination))) break;
  return walk(network, graph, origin, destination).sort((a, b) => a.cost - b.cost || a.path.length - b.path.length);
}

const enters = (node: number): number => 2 * node;
const leaves = (node: number): number => 2 * node + 1;

function layOut(graph: PathGraph, indexOf: ReadonlyMap<string, number>, origin: number, destination: number): Network {
  const network: Network = { out: [], target: [], cost: [], room: [] };
  for (let vertex = 0; vertex < 2 * graph.nodes.length; vertex++) network.out.push([]);
  for (const [index, { isTransit }] of graph.nodes.entries()) {
    if (isTransit && index !== origin && index !== destination) addArc(network, enters(index), leaves(index), 0);
  }
  for (const { a, b, cost, state = 'up' } of graph.edges) {
    const [left, right] = [indexOf.get(a), indexOf.get(b)];
    if (state !== 'up' || left === undefined || right === undefined) continue;
    addArc(network, leaves(left), enters(right), cost);
    addArc(network, leaves(right), enters(left), cost);
  }
  return network;
}

function addArc({ out, target, cost, room }: Network, from: number, to: number, price: number): void {
  out[from]!.push(target.length);
  target.push(to);
  cost.push(price);
  room.push(1);
  out[to]!.push(target.length);
  target.push(from);
  cost.push(-price);
  room.push(0);
}

/** One more path, by the cheapest way through what is left; false when there is none. */
function augment(network: Network, source: number, sink: number): boolean {
  const { out, target, cost, room } = network;
  const distance = new Float64Array(out.length).fill(Number.POSITIVE_INFINITY);
  const arcTo = new Int32Array(out.length).fill(-1);
  const queue = [source];
  const isQueued = new Uint8Array(out.length);
  distance[source] = 0;
  for (let vertex: number | undefined = queue.shift(); vertex !== undefined; vertex = queue.shift()) {
    isQueued[vertex] = 0;
    for (const arc of out[vertex]!) {
      const next = target[arc]!;
      const through = distance[vertex]! + cost[arc]!;
      if (room[arc] === 0 || through >= distance[next]!) continue;
      distance[next] = through;
      arcTo[next] = arc;
      if (isQueued[next] === 0) queue.push(next);
      isQueued[next] = 1;
    }
  }
  if (arcTo[sink] === -1) return false;
  for (let vertex: number = sink; vertex !== source; vertex = target[arcTo[vertex]! ^ 1]!) {
    room[arcTo[vertex]!]! -= 1;
    room[arcTo[vertex]! ^ 1]! += 1;
  }
  return true;
}

/** The flow taken apart into paths; every arc of it is used once. */
function walk(
  { out, target, cost, room }: Network,
  graph: PathGraph,
  origin: number,
  destination: number,
): ShortestPath[] {
  const isForward = (arc: number): boolean => (arc & 1) === 0 && room[arc] === 0;
  return out[leaves(origin)]!.filter(isForward).map((first) => {
    const nodes = [origin];
    let sum = 0;
    for (let arc: number | undefined = first; arc !== undefined; ) {
      const vertex: number = target[arc]!;
      sum += cost[arc]!;
      if (vertex % 2 === 0) nodes.push(vertex / 2);
      arc = vertex === enters(destination) ? undefined : out[vertex]!.find(isForward);
    }
    const path = nodes.map((node) => graph.nodes[node]!.node);
    return { path, cost: sum, nextHop: path[1] ?? null };
  });
}
