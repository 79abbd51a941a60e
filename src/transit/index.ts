/** Stage 4: links - sessions with hellos and a window, frames out, frames in. */
export { LinkSession, type LinkSessionOptions, type LinkState } from './link-session.ts';
