/** Stage 5: from an envelope that has arrived to the group streams of this terminal. */
export { type ArrivalConfig, Arrivals, type ArrivalsOptions, type Stored } from './arrivals.ts';
export {
  detachFeed,
  ensureGroupConsumer,
  ensureGroupStream,
  type FeedSource,
  type GroupStream,
} from './group-stream.ts';
