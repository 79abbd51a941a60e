/** Buses that several test files run; a file whose bus is its own writes it at its top. */

/**
 *   tokyo ══════ frankfurt     exchange publishes trade at tokyo, risk consumes at frankfurt
 *
 * Ids of published messages are forgotten after 100 ms: what is not doubled is not thanks to them.
 */
export const twoSites = `
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
customers:
  - name: acme
    terminals: [tokyo, frankfurt]
    links:
      - {between: [tokyo, frankfurt]}
    topics:
      - name: trade
        dedupeMs: 100
        groups:
          - {name: risk, terminals: [frankfurt], ackWaitMs: 2000}
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
`;

const meshSites = ['a', 'b', 'c', 'd'];

/**
 *   a ──1── d      a b 100 · a c 50 · a d 1 · b c 1 · b d 20 · c d 1
 *   │ ╲   ╱ │      exchange publishes trade at a, risk consumes at b
 *  100  ╳   1      best: a d c b · without c d: a d b · without b d too: a c b · without b c too: a b
 *   │ ╱   ╲ │
 *   b ──1── c
 */
export const meshOfFour = `
sites:
${meshSites.map((name) => `  - {name: ${name}, mode: server, address: "${name}.example.net:7422"}`).join('\n')}
customers:
  - name: acme
    terminals: [${meshSites.join(', ')}]
    links:
      - {between: [a, b], cost: 100}
      - {between: [a, c], cost: 50}
      - {between: [a, d], cost: 1}
      - {between: [b, c], cost: 1}
      - {between: [b, d], cost: 20}
      - {between: [c, d], cost: 1}
    topics:
      - name: trade
        groups:
          - {name: risk, terminals: [b]}
    apps:
      - {name: exchange,    terminal: a, publish: [trade]}
      - {name: risk-engine, terminal: b, consume: [trade@risk]}
`;

/** Links of the mesh to cut one after the other, and the path that is left each time. */
export const meshSteps = [
  { link: ['c', 'd'], path: 'a>d>b' },
  { link: ['b', 'd'], path: 'a>c>b' },
  { link: ['b', 'c'], path: 'a>b' },
] as const;

/** The line of three that transit tests use: everything is published at n1 for n3. */
export const lineOfThree = `
sites:
  - {name: n1, mode: server, address: "n1.example.net:7422"}
  - {name: n2, mode: server, address: "n2.example.net:7422"}
  - {name: n3, mode: server, address: "n3.example.net:7422"}
customers:
  - name: acme
    terminals: [n1, n2, n3]
    links:
      - {between: [n1, n2]}
      - {between: [n2, n3]}
    topics:
      - name: trade
        groups:
          - {name: risk, terminals: [n3]}
    apps:
      - {name: exchange,    terminal: n1, publish: [trade]}
      - {name: risk-engine, terminal: n3, consume: [trade@risk]}
`;

/**
 *        ┌─ t ─┐     each link over t costs 1, over u 10
 *   a ───┤     ├─── b
 *        └─ u ─┘     exchange publishes at a, risk and desk consume at b
 *
 * More customers may follow it.
 */
export const diamond = `
sites:
  - {name: a, mode: server, address: "a.example.net:7422"}
  - {name: b, mode: server, address: "b.example.net:7422"}
  - {name: t, mode: server, address: "t.example.net:7422"}
  - {name: u, mode: server, address: "u.example.net:7422"}
customers:
  - name: acme
    terminals: [a, b, t, u]
    links:
      - {between: [a, t], cost: 1}
      - {between: [t, b], cost: 1}
      - {between: [a, u], cost: 10}
      - {between: [u, b], cost: 10}
    topics:
      - {name: trade, groups: [{name: risk, terminals: [b]}]}
      - {name: order, groups: [{name: desk, terminals: [b]}]}
    apps:
      - {name: exchange,    terminal: a, publish: [trade, order]}
      - {name: risk-engine, terminal: b, consume: [trade@risk]}
      - {name: desk-app,    terminal: b, consume: [order@desk]}
`;

/**
 *            ┌─1─ east ─┐      east is the nearer by more than measurements add to a cost, so it serves again
 *   origin ──┤          5      whenever it is back
 *            └─5─ west ─┘
 *
 * Topics and applications of acme follow it.
 */
export const fork = `
sites:
  - {name: origin, mode: server, address: "origin.example.net:7422"}
  - {name: east,   mode: server, address: "east.example.net:7422"}
  - {name: west,   mode: server, address: "west.example.net:7422"}
customers:
  - name: acme
    terminals: [origin, east, west]
    links:
      - {between: [origin, east], cost: 1}
      - {between: [origin, west], cost: 5}
      - {between: [east, west], cost: 5}
`;
