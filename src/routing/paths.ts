/**
 * Least-cost paths over the terminals of one customer (stage 2 of src/README.md). Pure: a graph of nodes, names or ids,
 * with a cost per link; the same input gives the same paths everywhere, because ties break by the names of the nodes.
 * Only nodes that accept links carry the messages of others: a client-mode terminal is an end, never on the way.
 *
 * A link that is down may be used when nothing else leads there (what stands before it travels on and waits there): it
 * weighs more than every whole path. A closed link is never used.
 */

export interface PathEdge {
  a: string;
  b: string;
  /** more than 0; a smaller sum wins */
  cost: number;
  /** up by default */
  state?: EdgeState;
}

export type EdgeState = 'up' | 'down' | 'closed';

export interface PathGraph {
  /** every node; `isTransit` when it may carry what is not for it. `name` breaks ties, the node itself by default */
  nodes: readonly { node: string; isTransit: boolean; name?: string }[];
  /** undirected links; ends that are no node are ignored */
  edges: readonly PathEdge[];
}

export interface ShortestPath {
  /** from the origin to the destination, both included */
  path: string[];
  cost: number;
  /** the neighbour to send to; the destination itself when it is one, null at the origin */
  nextHop: string | null;
}

export interface FoundPath extends ShortestPath {
  /** no link of it is down */
  isWhole: boolean;
}

/** More than the cost of any path, and room for 8,000 of them in a double. */
export const downWeight = 2 ** 40;

/**
 * The best path from `from` to every node that can be reached, `from` itself included (cost 0). Of two paths with the
 * same cost the one with fewer hops wins, then the one whose names come first in the order of the alphabet.
 */
export function shortestPaths(graph: PathGraph, from: string): Map<string, ShortestPath> {
  const tree = new PathFinder(graph).from(from);
  const paths = new Map<string, ShortestPath>();
  for (const node of tree.nodes()) {
    const { path, cost, nextHop } = tree.get(node)!;
    paths.set(node, { path, cost, nextHop });
  }
  return paths;
}

/** A graph laid out for many searches; weights change in place, nodes and links do not. */
export class PathFinder {
  readonly #nodes: string[];
  readonly #indexOf: Map<string, number>;
  readonly #isTransit: boolean[];
  /** position in the order of names, which breaks ties */
  readonly #rank: Int32Array;
  /** links of node i: #edgeOf and #otherEnd from #firstOf[i] to #firstOf[i+1] */
  readonly #firstOf: Int32Array;
  readonly #edgeOf: Int32Array;
  readonly #otherEnd: Int32Array;
  readonly #weight: Float64Array;

  constructor({ nodes, edges }: PathGraph) {
    this.#nodes = nodes.map(({ node }) => node);
    this.#indexOf = new Map(this.#nodes.map((node, index) => [node, index]));
    this.#isTransit = nodes.map(({ isTransit }) => isTransit);
    this.#rank = ranksOf(nodes.map(({ node, name }) => name ?? node));
    this.#weight = new Float64Array(edges.length);
    for (const [position, { cost, state = 'up' }] of edges.entries()) this.setEdge(position, cost, state);
    [this.#firstOf, this.#edgeOf, this.#otherEnd] = this.#layOut(edges);
  }

  /** New cost and state of the link at `position` of the graph's edges. */
  setEdge(position: number, cost: number, state: EdgeState): void {
    this.#weight[position] =
      state === 'closed' ? Number.POSITIVE_INFINITY : state === 'down' ? cost + downWeight : cost;
  }

  /** Searches from `from` over everything but the nodes in `avoid`. */
  from(from: string, avoid: Iterable<string> = []): PathTree {
    const origin = this.#indexOf.get(from) ?? -1;
    const closed = new Uint8Array(this.#nodes.length);
    for (const node of avoid) {
      const index = this.#indexOf.get(node);
      if (index !== undefined && index !== origin) closed[index] = 1;
    }
    const labels = new Labels(this.#nodes.length, this.#rank);
    const settled = origin < 0 ? [] : this.#settle(origin, closed, labels);
    return new PathTree(this.#nodes, this.#indexOf, settled, labels);
  }

  /** Dijkstra with a binary heap; an entry whose node is settled already is left over from a worse label. */
  #settle(origin: number, closed: Uint8Array, labels: Labels): number[] {
    const heap = new Heap();
    const settled: number[] = [];
    labels.start(origin);
    heap.push(origin, 0, 0);
    for (let node = heap.pop(); node >= 0; node = heap.pop()) {
      if (closed[node] === 1) continue;
      closed[node] = 1;
      settled.push(node);
      if (node !== origin && !this.#isTransit[node]) continue;
      const end = this.#firstOf[node + 1]!;
      for (let at = this.#firstOf[node]!; at < end; at++) {
        const next = this.#otherEnd[at]!;
        const weight = this.#weight[this.#edgeOf[at]!]!;
        if (closed[next] === 0 && labels.offer(next, node, weight))
          heap.push(next, labels.weightOf(next), labels.hopsOf(next));
      }
    }
    return settled;
  }

  #layOut(edges: readonly PathEdge[]): [Int32Array, Int32Array, Int32Array] {
    const ends = edges.map(({ a, b }) => [this.#indexOf.get(a) ?? -1, this.#indexOf.get(b) ?? -1] as const);
    const firstOf = new Int32Array(this.#nodes.length + 1);
    const known = [...ends.entries()].filter(([, [a, b]]) => a >= 0 && b >= 0);
    for (const [, [a, b]] of known) {
      firstOf[a + 1]! += 1;
      firstOf[b + 1]! += 1;
    }
    for (let index = 0; index < this.#nodes.length; index++) firstOf[index + 1]! += firstOf[index]!;
    const next = firstOf.slice();
    const edgeOf = new Int32Array(known.length * 2);
    const otherEnd = new Int32Array(known.length * 2);
    for (const [position, [a, b]] of known) {
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        const at = next[from]!;
        next[from] = at + 1;
        edgeOf[at] = position;
        otherEnd[at] = to;
      }
    }
    return [firstOf, edgeOf, otherEnd];
  }
}

/** What a search found. Paths are put together when they are asked for. */
export class PathTree {
  readonly #nodes: readonly string[];
  readonly #indexOf: ReadonlyMap<string, number>;
  readonly #settled: readonly number[];
  readonly #labels: Labels;

  constructor(
    nodes: readonly string[],
    indexOf: ReadonlyMap<string, number>,
    settled: readonly number[],
    labels: Labels,
  ) {
    this.#nodes = nodes;
    this.#indexOf = indexOf;
    this.#settled = settled;
    this.#labels = labels;
  }

  /** Nodes with a path, nearest first. */
  nodes(): string[] {
    return this.#settled.map((index) => this.#nodes[index]!);
  }

  get(node: string): FoundPath | undefined {
    const index = this.#indexOf.get(node);
    const weight = index === undefined ? Number.POSITIVE_INFINITY : this.#labels.weightOf(index);
    if (index === undefined || weight === Number.POSITIVE_INFINITY) return undefined;
    const path = this.#labels.pathTo(index).map((each) => this.#nodes[each]!);
    return { path, cost: weight % downWeight, nextHop: path[1] ?? null, isWhole: weight < downWeight };
  }
}

/** The best way known to each node: weight, hops and the node before it. */
class Labels {
  readonly #rank: Int32Array;
  readonly #weight: Float64Array;
  readonly #hops: Int32Array;
  readonly #parent: Int32Array;

  constructor(size: number, rank: Int32Array) {
    this.#rank = rank;
    this.#weight = new Float64Array(size).fill(Number.POSITIVE_INFINITY);
    this.#hops = new Int32Array(size);
    this.#parent = new Int32Array(size).fill(-1);
  }

  weightOf(node: number): number {
    return this.#weight[node]!;
  }

  hopsOf(node: number): number {
    return this.#hops[node]!;
  }

  start(origin: number): void {
    this.#weight[origin] = 0;
  }

  /** Takes the way over `via` when it is better; true when weight or hops changed. */
  offer(node: number, via: number, step: number): boolean {
    const weight = this.#weight[via]! + step;
    const hops = this.#hops[via]! + 1;
    const known = this.#weight[node]!;
    if (weight > known || weight === Number.POSITIVE_INFINITY) return false;
    const isTie = weight === known && hops === this.#hops[node];
    if (isTie && this.#comesFirst(via, this.#parent[node]!)) this.#parent[node] = via;
    if (isTie || (weight === known && hops > this.#hops[node]!)) return false;
    this.#weight[node] = weight;
    this.#hops[node] = hops;
    this.#parent[node] = via;
    return true;
  }

  pathTo(node: number): number[] {
    const path: number[] = [];
    for (let at = node; at >= 0; at = this.#parent[at]!) path.push(at);
    return path.reverse();
  }

  /** Of two settled nodes with equally long paths: whether the names along a's come first. */
  #comesFirst(a: number, b: number): boolean {
    let [left, right] = [a, b];
    while (left !== right) {
      const [nextLeft, nextRight] = [this.#parent[left]!, this.#parent[right]!];
      if (nextLeft === nextRight) return this.#rank[left]! < this.#rank[right]!;
      left = nextLeft;
      right = nextRight;
    }
    return false;
  }
}

/** Binary heap of nodes by weight, then hops. */
class Heap {
  readonly #nodes: number[] = [];
  readonly #weights: number[] = [];
  readonly #hops: number[] = [];

  push(node: number, weight: number, hops: number): void {
    let at = this.#nodes.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(weight, hops, parent)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#set(at, node, weight, hops);
  }

  /** The first node, -1 when there is none. */
  pop(): number {
    const first = this.#nodes[0];
    if (first === undefined) return -1;
    const [node, weight, hops] = [this.#nodes.pop()!, this.#weights.pop()!, this.#hops.pop()!];
    const size = this.#nodes.length;
    if (size === 0) return first;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && this.#isBefore(this.#weights[child + 1]!, this.#hops[child + 1]!, child)) child += 1;
      if (!this.#isBefore(this.#weights[child]!, this.#hops[child]!, -1, weight, hops)) break;
      this.#move(child, at);
      at = child;
    }
    this.#set(at, node, weight, hops);
    return first;
  }

  #isBefore(
    weight: number,
    hops: number,
    at: number,
    otherWeight = this.#weights[at]!,
    otherHops = this.#hops[at]!,
  ): boolean {
    return weight < otherWeight || (weight === otherWeight && hops < otherHops);
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#nodes[from]!, this.#weights[from]!, this.#hops[from]!);
  }

  #set(at: number, node: number, weight: number, hops: number): void {
    this.#nodes[at] = node;
    this.#weights[at] = weight;
    this.#hops[at] = hops;
  }
}

function ranksOf(names: readonly string[]): Int32Array {
  const order = names
    .map((_, index) => index)
    .sort((a, b) => (names[a]! < names[b]! ? -1 : names[a]! > names[b]! ? 1 : a - b));
  const ranks = new Int32Array(names.length);
  for (const [rank, index] of order.entries()) ranks[index] = rank;
  return ranks;
}
