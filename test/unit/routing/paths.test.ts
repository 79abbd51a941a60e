import fc from 'fast-check';
import { expect, test } from 'vitest';
import { disjointPaths } from '../../../src/routing/disjoint.ts';
import { type PathEdge, PathFinder, type PathGraph, shortestPaths } from '../../../src/routing/paths.ts';

function meshGraph(edges: Record<string, number>): PathGraph {
  const nodes = ['A', 'B', 'C', 'D'].map((node) => ({ node, isTransit: true }));
  return { nodes, edges: Object.entries(edges).map(([ends, cost]) => ({ a: ends[0]!, b: ends[1]!, cost })) };
}

const mesh = { AB: 100, AC: 50, AD: 1, BC: 1, BD: 20, CD: 1 };

test.each([
  [[], ['A', 'D', 'C', 'B'], 3],
  [['CD'], ['A', 'D', 'B'], 21],
  [['CD', 'BD'], ['A', 'C', 'B'], 51],
  [['CD', 'BD', 'BC'], ['A', 'B'], 100],
] as const)('without %j the best way from A to B is %j', (down, path, cost) => {
  const edges = Object.fromEntries(
    Object.entries(mesh).filter(([ends]) => !(down as readonly string[]).includes(ends)),
  );
  expect(shortestPaths(meshGraph(edges), 'A').get('B')).toEqual({ path, cost, nextHop: path[1] });
});

test('no way is no entry, and the origin reaches itself for nothing', () => {
  const paths = shortestPaths(meshGraph({ AB: 1 }), 'A');
  expect(paths.get('C')).toBeUndefined();
  expect(paths.get('A')).toEqual({ path: ['A'], cost: 0, nextHop: null });
  expect(shortestPaths(meshGraph({ AB: 1 }), 'X').size).toBe(0);
});

test('a client-mode terminal sends and receives, and carries nothing for others', () => {
  const graph: PathGraph = {
    nodes: [
      { node: 'a', isTransit: false },
      { node: 'b', isTransit: false },
      { node: 'c', isTransit: true },
      { node: 'd', isTransit: false },
    ],
    edges: [
      { a: 'a', b: 'b', cost: 1 },
      { a: 'b', b: 'd', cost: 1 },
      { a: 'a', b: 'c', cost: 50 },
      { a: 'c', b: 'd', cost: 50 },
    ],
  };
  expect(shortestPaths(graph, 'a').get('d')?.path).toEqual(['a', 'c', 'd']);
});

test('ties break by hops, then by the names along the path, not by ids', () => {
  const nodes = [
    ['1', 'z'],
    ['2', 'y'],
    ['3', 'x'],
    ['4', 'w'],
  ].map(([node, name]) => ({ node: node!, name: name!, isTransit: true }));
  const edges: PathEdge[] = [
    { a: '1', b: '2', cost: 1 },
    { a: '1', b: '3', cost: 1 },
    { a: '2', b: '4', cost: 1 },
    { a: '3', b: '4', cost: 1 },
  ];
  expect(shortestPaths({ nodes, edges }, '1').get('4')?.path).toEqual(['1', '3', '4']);
  expect(shortestPaths({ nodes, edges: [...edges, { a: '1', b: '4', cost: 2 }] }, '1').get('4')?.path).toEqual([
    '1',
    '4',
  ]);
});

interface NaiveBest {
  cost: number;
  path: string[];
}

/** Every simple path, tried. */
function naive(graph: PathGraph, from: string, to: string): NaiveBest | undefined {
  const transit = new Set(graph.nodes.filter((n) => n.isTransit).map((n) => n.node));
  const found: NaiveBest[] = [];
  const walk = (path: string[], cost: number): void => {
    const at = path.at(-1)!;
    if (at === to) found.push({ path, cost });
    if (at === to || (at !== from && !transit.has(at))) return;
    for (const { a, b, cost: step } of graph.edges) {
      const next = a === at ? b : b === at ? a : undefined;
      if (next !== undefined && !path.includes(next)) walk([...path, next], cost + step);
    }
  };
  walk([from], 0);
  const order = ({ cost, path }: NaiveBest): [number, number, string] => [cost, path.length, path.join('')];
  return found.sort((x, y) => compare(order(x), order(y)))[0];
}

function compare(x: [number, number, string], y: [number, number, string]): number {
  return x[0] - y[0] || x[1] - y[1] || (x[2] < y[2] ? -1 : 1);
}

const letters = ['A', 'B', 'C', 'D', 'E', 'F'];
const graphs: fc.Arbitrary<PathGraph> = fc
  .record({
    transit: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
    edges: fc.array(
      fc.record({
        a: fc.constantFrom(...letters),
        b: fc.constantFrom(...letters),
        cost: fc.integer({ min: 1, max: 4 }),
      }),
      { maxLength: 12 },
    ),
  })
  .map(({ transit, edges }) => ({ nodes: letters.map((node, i) => ({ node, isTransit: transit[i]! })), edges }));

test('agrees with trying every path, ties included, whatever the order of the input', () => {
  fc.assert(
    fc.property(graphs, (graph) => {
      const paths = shortestPaths(graph, 'A');
      const reversed = shortestPaths({ nodes: [...graph.nodes].reverse(), edges: [...graph.edges].reverse() }, 'A');
      for (const to of letters) {
        const expected = naive(graph, 'A', to);
        const found = paths.get(to);
        expect(found && { path: found.path, cost: found.cost }).toEqual(expected);
        expect(reversed.get(to)).toEqual(found);
      }
    }),
    { numRuns: 300 },
  );
});

test('the best ways of a net of seven from R1', () => {
  const costs = { R2R3: 4, R3R4: 4, R3R1: 3, R4R5: 5, R2R1: 20, R1R5: 10, R5R6: 2, R6R7: 1 };
  const nodes = [1, 2, 3, 4, 5, 6, 7].map((n) => ({ node: `R${n}`, isTransit: true }));
  const edges = Object.entries(costs).map(([ends, cost]) => ({ a: ends.slice(0, 2), b: ends.slice(2), cost }));
  const paths = shortestPaths({ nodes, edges }, 'R1');
  expect(['R2', 'R4', 'R5', 'R6', 'R7'].map((to) => paths.get(to)?.cost)).toEqual([7, 7, 10, 12, 13]);
  expect(['R2', 'R4'].map((to) => paths.get(to)?.nextHop)).toEqual(['R3', 'R3']);
});

test('a link that is down is used when nothing else leads there, a closed one never', () => {
  const nodes = ['A', 'B', 'C'].map((node) => ({ node, isTransit: true }));
  const finder = new PathFinder({
    nodes,
    edges: [
      { a: 'A', b: 'B', cost: 1_000 },
      { a: 'B', b: 'C', cost: 5 },
      { a: 'A', b: 'C', cost: 1, state: 'down' },
    ],
  });
  expect(finder.from('A').get('C')).toEqual({ path: ['A', 'B', 'C'], cost: 1_005, nextHop: 'B', isWhole: true });
  finder.setEdge(1, 5, 'down');
  expect(finder.from('A').get('C')).toEqual({ path: ['A', 'C'], cost: 1, nextHop: 'C', isWhole: false });
  finder.setEdge(2, 1, 'closed');
  expect(finder.from('A').get('C')).toEqual({ path: ['A', 'B', 'C'], cost: 1_005, nextHop: 'B', isWhole: false });
  expect(finder.from('A', ['B']).get('C')).toBeUndefined();
});

test('with nodes left out it finds what it finds in a graph without them', () => {
  fc.assert(
    fc.property(graphs, fc.subarray(letters.slice(1)), (graph, avoid) => {
      const without = { nodes: graph.nodes.filter(({ node }) => !avoid.includes(node)), edges: graph.edges };
      const tree = new PathFinder(graph).from('A', avoid);
      const expected = shortestPaths(without, 'A');
      for (const to of letters) {
        const { isWhole: _, ...found } = tree.get(to) ?? { isWhole: true };
        expect(found).toEqual(expected.get(to) ?? {});
      }
    }),
    { numRuns: 200 },
  );
});

/** Every set of simple paths that share no inner node and no link, tried. */
function naiveDisjoint(graph: PathGraph, most: number): { count: number; cost: number } {
  const transit = new Set(graph.nodes.filter((n) => n.isTransit).map((n) => n.node));
  const all: { path: string[]; cost: number }[] = [];
  const walk = (path: string[], cost: number): void => {
    const at = path.at(-1)!;
    if (at === 'B') all.push({ path, cost });
    if (at === 'B' || (at !== 'A' && !transit.has(at))) return;
    for (const { a, b, cost: step } of graph.edges) {
      const next = a === at ? b : b === at ? a : undefined;
      if (next !== undefined && !path.includes(next)) walk([...path, next], cost + step);
    }
  };
  walk(['A'], 0);
  const best = { count: 0, cost: 0 };
  const pick = (from: number, used: Set<string>, count: number, cost: number): void => {
    if (count > best.count || (count === best.count && cost < best.cost)) Object.assign(best, { count, cost });
    if (count === most) return;
    for (let index = from; index < all.length; index++) {
      const { path, cost: more } = all[index]!;
      const inner = path.length === 2 ? ['AB'] : path.slice(1, -1);
      if (!inner.some((node) => used.has(node))) pick(index + 1, new Set([...used, ...inner]), count + 1, cost + more);
    }
  };
  pick(0, new Set(), 0, 0);
  return best;
}

test('disjoint paths: as many as there are, at the smallest cost together', () => {
  const simple = graphs.map((graph) => {
    const seen = new Set<string>();
    const edges = graph.edges.filter(({ a, b }) => {
      const key = [a, b].sort().join('');
      return a !== b && !seen.has(key) && seen.add(key);
    });
    return { ...graph, edges };
  });
  fc.assert(
    fc.property(simple, (graph) => {
      const found = disjointPaths(graph, 'A', 'B', 3);
      const cost = found.reduce((sum, each) => sum + each.cost, 0);
      expect({ count: found.length, cost }).toEqual(naiveDisjoint(graph, 3));
      const inner = found.flatMap(({ path }) => path.slice(1, -1));
      expect(new Set(inner).size).toBe(inner.length);
      for (const { path } of found) expect([path[0], path.at(-1)]).toEqual(['A', 'B']);
    }),
    { numRuns: 300 },
  );
});

test('a trap for who takes the best path first: two ways are found where it blocks every second one', () => {
  const nodes = ['A', 'B', 'C', 'D'].map((node) => ({ node, isTransit: true }));
  const edges = Object.entries({ AC: 1, CD: 1, DB: 1, AD: 5, CB: 5 }).map(([ends, cost]) => ({
    a: ends[0]!,
    b: ends[1]!,
    cost,
  }));
  expect(disjointPaths({ nodes, edges }, 'A', 'B', 2).map(({ path }) => path.join(''))).toEqual(['ACB', 'ADB']);
});

test('a thousand terminals and four thousand links are searched in milliseconds', () => {
  const nodes = Array.from({ length: 1_000 }, (_, index) => ({ node: `n${index}`, isTransit: true }));
  // a fixed sequence, so that every run searches the same graph
  let state = 7;
  const next = (below: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  const edges = Array.from({ length: 4_000 }, (_, index) => {
    const a = index < 999 ? index + 1 : next(1_000);
    return { a: `n${a}`, b: `n${index < 999 ? next(a) : next(1_000)}`, cost: 1_000 + next(3_000) };
  });
  const finder = new PathFinder({ nodes, edges });
  const times = Array.from({ length: 15 }, () => {
    // the time of this process: whatever else the machine does is not the search's
    const start = process.cpuUsage();
    for (const [position, { cost }] of edges.entries()) finder.setEdge(position, cost, 'up');
    expect(finder.from('n0').nodes()).toHaveLength(1_000);
    return process.cpuUsage(start).user / 1_000;
  });
  expect(times.sort((a, b) => a - b)[7]).toBeLessThan(20);
});
