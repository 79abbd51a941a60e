/**
 * The demo's result: one document (`--json`, its shape is a contract) and the table people read.
 * `ok` is true only when nothing was lost, doubled, changed or leaked and the eavesdropper heard something to search.
 */
import type { GroupTally } from './ledger.ts';

export interface DemoDocument {
  ok: boolean;
  /** events of the input that were published and acknowledged */
  published: number;
  groups: Record<string, GroupTally>;
  /** what the eavesdropper heard between the sites */
  wire: { bytes: number; plaintextFound: number };
  /** what customer B tried with its credentials, and how often it got anything of A's */
  isolation: { attempts: number; leaks: number };
  seconds: number;
}

/** Builds the document. `ok` follows from the numbers, and from `problems`: what went wrong beside them. */
export function summarize(facts: Omit<DemoDocument, 'ok'>, problems: readonly string[] = []): DemoDocument {
  const { published, groups, wire, isolation, seconds } = facts;
  const isWhole = Object.values(groups).every((t) => t.lost === 0 && t.duplicated === 0 && t.changed === 0);
  const isSecret = wire.bytes > 0 && wire.plaintextFound === 0 && isolation.attempts > 0 && isolation.leaks === 0;
  const isBusy = published > 0 && Object.values(groups).some((t) => t.delivered > 0);
  const ok = isWhole && isSecret && isBusy && problems.length === 0;
  return { ok, published, groups, wire, isolation, seconds };
}

/** The document as a table for a terminal. */
export function renderTable(document: DemoDocument): string {
  const head = ['group', 'expected', 'delivered', 'lost', 'duplicated', 'changed'];
  const rows = Object.entries(document.groups).map(([name, t]) => [
    name,
    ...[t.expected, t.delivered, t.lost, t.duplicated, t.changed].map((n) => n.toLocaleString('en')),
  ]);
  const { wire, isolation } = document;
  return [
    ...columns([head, ...rows]),
    '',
    `wire       ${wire.bytes.toLocaleString('en')} bytes heard between the sites, plaintext found ${wire.plaintextFound} times`,
    `isolation  ${isolation.attempts} attempts with another customer's credentials, ${isolation.leaks} leaks`,
    `published  ${document.published.toLocaleString('en')} events of the input in ${document.seconds} s in all`,
    '',
    document.ok ? 'OK: nothing lost, doubled, changed or leaked' : 'FAILED: see the numbers above',
    '',
  ].join('\n');
}

/** Lines of a table: the first column to the left, numbers to the right, a rule under the head. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
  const rule = widths.map((width) => '─'.repeat(width)).join('  ');
  return [lines[0] ?? '', rule, ...lines.slice(1)];
}
