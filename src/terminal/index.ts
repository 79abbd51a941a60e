/** A customer's presence at this site: one Terminal per customer, wiring the stages of a message's way. */

export { showGroups } from './group-gauges.ts';
export { doLetterTask } from './letters.ts';
export type { Problem } from './problems.ts';
export { linksDownOf, notReadyOf } from './readiness.ts';
export { keepRegistered } from './registration.ts';
export { reportTerminal, type TerminalReport } from './report.ts';
export { Terminal, type TerminalOptions } from './terminal.ts';
export { createTerminalMetrics, type TerminalMetrics } from './terminal-metrics.ts';
export { traceAt } from './trace.ts';
