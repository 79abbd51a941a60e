/** The example of the design, for tests that need a declared bus; the lines are counted by parse.test.ts. */
export const exampleBus = `sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
  - {name: virginia,  mode: client}
customers:
  - name: acme
    terminals: [tokyo, frankfurt, virginia]
    links:
      - {between: [tokyo, frankfurt], cost: 1}
      - {between: [virginia, frankfurt]}
    topics:
      - name: trade
        groups:
          - {name: risk,    terminals: [frankfurt]}
          - {name: archive, terminals: [virginia, frankfurt], policy: ordered}
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
`;
