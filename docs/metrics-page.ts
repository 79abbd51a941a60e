/** docs/metrics.md is made from the series themselves: every one that a sidecar or a control replica can expose. */
import { type MetricObject, Registry } from 'prom-client';
import { createControlMetrics } from '../src/control/metrics.ts';
import { Seat } from '../src/seat.ts';
import { createCertificateMetrics, createServersMetric } from '../src/site/index.ts';
import { createTerminalMetrics } from '../src/terminal/index.ts';

/** What is read only when the series are asked for is not there. */
function sidecarSeries(): Registry {
  const registry = new Registry();
  createTerminalMetrics(registry);
  createCertificateMetrics(registry, { tls: { certFile: '' }, at: () => '' });
  createServersMetric(registry, { servers: [], replicas: 3 });
  new Seat({} as ConstructorParameters<typeof Seat>[0]).registerMetrics(registry);
  return registry;
}

function controlSeries(): Registry {
  const registry = new Registry();
  createControlMetrics(registry);
  return registry;
}

function tableOf(registry: Registry): string {
  // labelNames is there and not declared
  const series = registry.getMetricsAsArray() as unknown as (MetricObject & { labelNames: string[] })[];
  const rows = series
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, labelNames, help }) => {
      const labels = labelNames.map((label) => `\`${label}\``).join(' ');
      return `| \`${name}\` | ${type} | ${labels} | ${help.replaceAll('|', '\\|')} |`;
    });
  return ['| name | type | labels | what |', '|---|---|---|---|', ...rows].join('\n');
}

/** docs/metrics.md: a row per series, in the order of the alphabet. */
export function metricsPage(): string {
  return `# Metrics

\`GET /metrics\` of a sidecar and of a control replica (\`--monitor\`) in the text format of Prometheus. Dashboard and alert rules are in ops/.
Made from the series themselves by \`npm run docs\`.

Beside these are the process's own, as prom-client names them (\`process_…\`, \`nodejs_…\`). A histogram has \`_bucket\`, \`_sum\` and \`_count\`.

## Sidecar

Every series has the label \`site\`. Those of several sidecars or nats-servers are there only at a site that has several.

${tableOf(sidecarSeries())}

## Control plane

Every series has the label \`replica\`.

${tableOf(controlSeries())}
`;
}
