/** Stage 5: from an envelope that has arrived to the group streams of this terminal. */
export { type ArrivalConfig, Arrivals, type ArrivalsOptions, type Loss, type Stored } from './arrivals.ts';
export { type BatchMessage, publishBatch } from './atomic-batch.ts';
export { FeedKeeper, isReleased } from './feed-keeper.ts';
export { type Arrival, FlowWriter } from './flow-writer.ts';
export {
  type ArrivalPlace,
  closeGroupStream,
  deleteStream,
  detachFeed,
  ensureGroupConsumer,
  ensureGroupStream,
  type FeedSource,
  findGroupStream,
  type GroupStream,
  groupStreamName,
  ownersOf,
} from './group-stream.ts';
export { countQuarantined } from './quarantine.ts';
export { deleteStreamHold, StreamHold } from './stream-hold.ts';
