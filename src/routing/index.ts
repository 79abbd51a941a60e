/** Stage 2: which terminal serves a group and which link leads there. Path maths is pure. */
export type { SequenceStore } from './record-exchange.ts';
export { type LinkFacts, type NextHop, type RouteRow, Routes } from './routes.ts';
