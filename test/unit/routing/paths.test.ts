import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type PathEdge, type PathGraph, shortestPaths } from '../../../src/routing/paths.ts';

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
