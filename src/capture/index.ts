/** Stage 1: an application's messages, from its LAN's capture stream to shipments for remote groups. */
export {
  type CaptureStream,
  deleteFeed,
  ensureCaptureStream,
  ensureFeed,
  type Feed,
  feedHold,
  findCaptureStream,
  listFeeds,
  pauseFeed,
  renewIncarnation,
} from './capture-stream.ts';
export { CursorSet, type RemoteGroup } from './cursor-set.ts';
export type { GroupProgress } from './group-progress.ts';
export type { CapturedMessage } from './pull-reader.ts';
export { parseAckSubject } from './pull-reader.ts';
export { Reach } from './reach.ts';
export type { ParkReason, ReceiptTerms, Shipment, ShipProgress, Shipper } from './shipper.ts';
