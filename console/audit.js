/** The audit log, newest first, a page at a time. */
/** @import { AuditRow } from '../src/registry/audit.ts' */
/** @import { Column } from './tables.js' */
import { h } from './dom.js';
import { getJson } from './session.js';
import { table } from './tables.js';
import { clock } from './text.js';

const pageRows = 100;

/** @type {{ rows: AuditRow[], hasMore: boolean, trouble: string }} */
const log = { rows: [], hasMore: false, trouble: '' };

/** Reads the newest rows anew, or those before the ones that are there. @param {boolean} isMore */
export async function readAudit(isMore) {
  const before = isMore ? log.rows.at(-1)?.id : undefined;
  const query = new URLSearchParams({ limit: `${pageRows}`, ...(before !== undefined && { before: `${before}` }) });
  try {
    /** @type {{ rows: AuditRow[] }} */
    const { rows } = await getJson(`/api/audit?${query}`);
    log.rows = isMore ? [...log.rows, ...rows] : rows;
    log.hasMore = rows.length === pageRows;
    log.trouble = '';
  } catch (error) {
    log.trouble = error instanceof Error ? error.message : `${error}`;
  }
}

/** @type {Column<AuditRow>[]} */
const columns = [
  ['#entry', ({ id }) => `${id}`],
  ['at', ({ at }) => clock(at)],
  ['who', ({ actor }) => actor],
  ['what', ({ action }) => action],
  ['to', ({ noun }) => noun],
  ['details', ({ details }) => detailsText(details)],
];

/** @param {string} filter */
export function auditTable(filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = log.rows.filter(({ actor, action, noun, details }) => {
    const text = [actor, action, noun, detailsText(details)].join(' ').toLowerCase();
    return words.every((word) => text.includes(word));
  });
  return h(
    'div',
    { 'data-key': 'audit' },
    log.trouble !== '' && h('p', { class: 'nothing' }, log.trouble),
    table('audit entries', columns, rows),
    log.hasMore && h('button', { type: 'button', 'data-do': 'more-audit' }, 'older entries'),
  );
}

/** @param {unknown} details */
function detailsText(details) {
  const text = JSON.stringify(details) ?? '';
  return text === '{}' ? '' : text;
}
