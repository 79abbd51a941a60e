/** Dashboard, alert rules and the daemons speak of the same series and labels. */
import { readFile } from 'node:fs/promises';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { createControlMetrics } from '../../../src/control/metrics.ts';
import { createTerminalMetrics } from '../../../src/terminal/index.ts';

/** made beside the two sets: where, and its labels */
const others: Record<string, string[]> = { mbus_certificate_expires_seconds: [] };
/** put on every series by the daemon or by Prometheus */
const always = ['site', 'replica', 'instance', 'job', 'le'];
const functions = new Set([
  'sum',
  'by',
  'rate',
  'increase',
  'max',
  'time',
  'deriv',
  'and',
  'on',
  'up',
  'histogram_quantile',
  'label_values',
]);

const page = (name: string): Promise<string> => readFile(new URL(`../../../ops/${name}`, import.meta.url), 'utf8');

/** name to labels */
function seriesOf(): Map<string, string[]> {
  const registry = new Registry();
  createTerminalMetrics(registry);
  createControlMetrics(registry);
  const known = registry.getMetricsAsArray().map((metric): [string, string[]] => {
    const { name, labelNames } = metric as unknown as { name: string; labelNames: string[] };
    return [name, labelNames];
  });
  return new Map([...known, ...Object.entries(others)]);
}

interface Expression {
  where: string;
  expr: string;
  /** labels that its text shows */
  shown: string[];
}

const labelsIn = (text: string): string[] =>
  [...text.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map(([, name]) => name ?? '');

async function expressions(): Promise<Expression[]> {
  const dashboard = JSON.parse(await page('grafana-dashboard.json')) as {
    panels: { title: string; targets: { expr: string; legendFormat: string }[] }[];
  };
  const alerts = parse(await page('alerts.yml')) as {
    groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[];
  };
  return [
    ...dashboard.panels.flatMap(({ title, targets }) =>
      targets.map(({ expr, legendFormat }) => ({ where: title, expr, shown: labelsIn(legendFormat) })),
    ),
    ...alerts.groups.flatMap(({ rules }) =>
      rules.map(({ alert, expr, annotations }) => ({
        where: alert,
        expr,
        shown: labelsIn(Object.values(annotations).join()),
      })),
    ),
  ];
}

const namesIn = (expr: string): string[] =>
  [...expr.matchAll(/\bmbus_\w+/g)].map(([name]) => name.replace(/_(bucket|count|sum)$/, ''));

test('every series of a panel or rule exists', async () => {
  const known = seriesOf();
  for (const { where, expr } of await expressions())
    for (const name of namesIn(expr)) expect(known.has(name), `${where}: ${name}`).toBe(true);
});

test('every label that a panel or rule names is one of its series', async () => {
  const known = seriesOf();
  for (const { where, expr, shown } of await expressions()) {
    const labels = new Set([...always, ...namesIn(expr).flatMap((name) => known.get(name) ?? [])]);
    const selected = [...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, inside]) =>
      [...(inside ?? '').matchAll(/(\w+)\s*(?:=|!)/g)].map(([, name]) => name ?? ''),
    );
    const grouped = [...expr.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, inside]) =>
      (inside ?? '').split(',').map((name) => name.trim()),
    );
    for (const label of [...shown, ...selected, ...grouped])
      if (label !== 'value') expect(labels, `${where}: ${label}`).toContain(label);
  }
});

test('every counter that tells of trouble is on the dashboard or in a rule', async () => {
  const used = new Set((await expressions()).flatMap(({ expr }) => namesIn(expr)));
  for (const name of [
    'mbus_messages_lost_total',
    'mbus_dead_letters_total',
    'mbus_envelopes_refused_total',
    'mbus_link_up',
    'mbus_messages_dropped_total',
  ])
    expect(used).toContain(name);
});

test('brackets are balanced and nothing but known functions is called', async () => {
  for (const { where, expr } of await expressions()) {
    for (const [open, close] of ['()', '[]', '{}'])
      expect(expr.split(open ?? '').length, `${where} ${open}`).toBe(expr.split(close ?? '').length);
    for (const [, name] of expr.matchAll(/\b([a-z_]+)\s*\(/g)) expect(functions, where).toContain(name);
  }
});
