/** Stage 4: links - sessions with hellos and a window, frames out, frames in - and carrying for others: cache, forwarder. */
export { TransitCache } from './cache.ts';
export { LinkSession, type LinkSessionOptions, type LinkState } from './link-session.ts';
export { LinkWindow } from './link-window.ts';
export { PathLog, type PathRow } from './path-log.ts';
export { ReceiptBook } from './receipt-book.ts';
export { ReleaseNotes } from './release-notes.ts';
export { Transit } from './transit.ts';
