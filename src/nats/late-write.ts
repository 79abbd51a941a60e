/**
 * An error of the NATS client that reaches nobody: it writes to a socket that has ended a moment before, as when
 * nats-server is killed, and the socket's listeners may be gone when it says so. The connection is made anew all the same.
 */

/** Whether an uncaught error is such a write. */
export function isLateWrite(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false;
  return error.code === 'ERR_STREAM_WRITE_AFTER_END' && error.stack?.includes('NodeTransport') === true;
}
