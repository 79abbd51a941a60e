/** The web page of the control plane: logins, the page's files, and the bus's state as a stream of events. It changes nothing of the bus. */
export { type ListenOptions, requireSafe } from './listen.ts';
export { type RunningConsole, serveConsole } from './server.ts';
export type { ConsoleView } from './view.ts';
