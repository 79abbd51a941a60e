/**
 * 3 Sealing: the door. A body becomes a sealed envelope under a ticket of five minutes, and back. The cryptography is in
 * seal.ts and open.ts, pure; tickets and their lives are in sealer.ts and opener.ts.
 */
export { createOpener, type Opener } from './opener.ts';
export { createSealer, type Sealer, type TicketUsage } from './sealer.ts';
