/** Stage 2: which terminal serves a group and which link leads there. Path maths is pure. */
export { Routes } from './routes.ts';
