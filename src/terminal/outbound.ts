/**
 * The way out of a terminal: a shipment of one topic becomes a sealed envelope with a signed manifest, and a frame per
 * next hop. Resolves when every next hop has stored it; nothing is kept here, so a failure means that the cursor reads again.
 *
 * A next hop without room is asked again, each destination for itself so that a full one does not hold back the others,
 * until it has room or the cursor gave the shipment up: reading all of it again would only load the link.
 */
import type { SnapshotTopic } from '../api/snapshot.ts';
import { backoffMs } from '../backoff.ts';
import type { Shipment, ShipProgress, Shipper } from '../capture/index.ts';
import type { Clock } from '../clock.ts';
import {
  encodeBody,
  encodeFrame,
  type Flow,
  flowKey,
  MAX_BODY_BYTES,
  type Manifest,
  type SignFn,
  signManifest,
  subjectSuffix,
} from '../envelope/index.ts';
import { BusError, codedText, isBusError } from '../errors.ts';
import type { Routes } from '../routing/index.ts';
import type { Sealer } from '../sealing/index.ts';
import type { LinkSession } from '../transit/index.ts';
import type { RouteWatch } from './route-watch.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';

export interface OutboundOptions {
  flow: Flow;
  customerId: string;
  topic: () => SnapshotTopic;
  snapshotVersion: () => number;
  sealer: Sealer;
  sign: SignFn;
  routes: Routes;
  watch: RouteWatch;
  sessions: ReadonlyMap<string, LinkSession>;
  /** what is written now, and whether a terminal reads it */
  format: () => number;
  isReadable: (terminalId: string) => boolean;
  /** whether the link's configuration asks for compression, or leaves it to the session */
  compressOf: (linkId: string) => 'auto' | 'always' | 'never';
  park: Shipper['park'];
  metrics: TerminalMetrics;
  clock: Clock;
}

/** Terminals that share a first link and go around the same ones. */
interface Hop {
  linkId: string;
  shun: string[];
  terminalIds: string[];
}

interface Sealed {
  manifest: Uint8Array;
  sealed: Uint8Array;
}

const hopLimit = 16;
/** frame head, manifest, sealed header, certificate, signature, reply subject: more than all of them together */
const overheadBytes = 16 * 1024;
const minBytes = 64 * 1024;
const maxBusyWaitMs = 1_000;
const wantedCheckMs = 50;

export function createOutbound(options: OutboundOptions): Shipper {
  const { routes, watch, sessions } = options;
  return {
    isReachable: (terminalId) => routes.isReachable(terminalId) && options.isReadable(terminalId),
    maxShipmentBytes: () => {
      const limits = [...sessions.values()].filter(isUsable).map((session) => session.maxFrameBytes);
      return Math.max(minBytes, Math.min(MAX_BODY_BYTES, ...limits) - overheadBytes);
    },
    receiptTerms: (terminalId) => watch.receiptTerms(terminalId),
    noReceipt: (terminalId) => watch.noReceipt(terminalId),
    isCarriable: ({ subject }) => subjectSuffix(options.topic().name, subject) !== null,
    park: options.park,
    ship: (shipment, progress) => ship(options, shipment, progress),
  };
}

function isUsable({ state }: LinkSession): boolean {
  return state !== 'down' && state !== 'silent';
}

async function ship(options: OutboundOptions, shipment: Shipment, progress: ShipProgress): Promise<void> {
  const { sealer, metrics } = options;
  const topic = options.topic();
  const terminalIds = [...new Set(shipment.duties.map((duty) => duty.terminalId))];
  const hops = nextHops(options, terminalIds);
  const format = options.format();
  const body = encodeBody(topic.name, shipment.messages, format);
  const compress = hops.some(({ linkId }) => wantsCompression(options, linkId));
  const { sealed, envelopeId } = await sealer.seal(topic, body, { count: shipment.messages.length, compress, format });
  const parts = { manifest: signManifest(manifestOf(options, shipment, envelopeId), options.sign, format), sealed };
  // every hop is tried to its end, so that one slow link does not waste what another has carried
  const sends = hops.map((hop) => sendTo(options, hop, parts, progress));
  const outcomes = await Promise.allSettled(sends);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  metrics.messagesSent.inc({ topic: topic.name }, shipment.messages.length);
}

/** One frame for all of them; once the next hop was busy, one for each. */
async function sendTo(options: OutboundOptions, hop: Hop, parts: Sealed, progress: ShipProgress): Promise<void> {
  const { terminalIds } = hop;
  try {
    await send(options, hop, parts);
    progress.stored(terminalIds);
  } catch (error) {
    if (!isBusError(error, 'E_PEER_BUSY')) throw error;
    progress.waiting(codedText(error));
    await Promise.all(terminalIds.map((id) => sendWhileBusy(options, id, parts, progress)));
  }
}

/** Over whichever link leads there by then. */
async function sendWhileBusy(
  options: OutboundOptions,
  terminalId: string,
  parts: Sealed,
  progress: ShipProgress,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const isWanted = (): boolean => progress.isWanted(terminalId);
    await pause(options.clock, backoffMs(attempt, 50, maxBusyWaitMs), isWanted);
    if (!isWanted()) {
      // receipted meanwhile, or another cursor's by now: nothing is left to store there
      progress.stored([terminalId]);
      progress.waiting('');
      return;
    }
    const hop = hopTo(options, terminalId);
    try {
      await send(options, hop, parts);
      progress.stored([terminalId]);
      progress.waiting('');
      return;
    } catch (error) {
      if (!isBusError(error, 'E_PEER_BUSY')) throw error;
      progress.waiting(codedText(error));
    }
  }
}

async function pause(clock: Clock, ms: number, isWanted: () => boolean): Promise<void> {
  const endMs = clock.monotonicMs() + ms;
  while (isWanted() && clock.monotonicMs() < endMs) await clock.sleep(Math.min(wantedCheckMs, ms));
}

async function send(options: OutboundOptions, { linkId, shun, terminalIds }: Hop, parts: Sealed): Promise<void> {
  const { flow, metrics } = options;
  const topic = options.topic().name;
  const path = [flow.originId];
  const frame = encodeFrame(
    { kind: 'envelope', hopLimit, path, shun, destinations: terminalIds, ...parts },
    options.format(),
  );
  await sessionOf(options, linkId).send(frame, flowKey(flow));
  metrics.envelopesSent.inc({ topic });
  metrics.bytesSent.inc({ topic }, frame.length);
}

/** One for all terminals that share it. */
function nextHops(options: OutboundOptions, terminalIds: readonly string[]): Hop[] {
  const hops = new Map<string, Hop>();
  for (const terminalId of terminalIds) {
    const hop = hopTo(options, terminalId);
    const key = `${hop.linkId} ${hop.shun}`;
    const known = hops.get(key);
    if (known === undefined) hops.set(key, hop);
    else known.terminalIds.push(terminalId);
  }
  return [...hops.values()];
}

function hopTo({ routes, watch }: OutboundOptions, terminalId: string): Hop {
  const shun = watch.shunOf(terminalId).sort();
  const hop = routes.nextHop(terminalId, [], shun);
  if (hop === null) throw new BusError('E_LINK_DOWN', `no path to terminal ${terminalId}`);
  return { linkId: hop.linkId, shun, terminalIds: [terminalId] };
}

function manifestOf(options: OutboundOptions, shipment: Shipment, envelopeId: Uint8Array): Manifest {
  const { first, last, floor, duties } = shipment;
  const assignments = duties
    .map(({ groupId, terminalId, since }) => ({ groupId, terminalId, since }))
    .sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
  const snapshotVersion = options.snapshotVersion();
  return {
    customerId: options.customerId,
    flow: options.flow,
    first,
    last,
    floor,
    snapshotVersion,
    envelopeId,
    assignments,
  };
}

function wantsCompression(options: OutboundOptions, linkId: string): boolean {
  const wish = options.compressOf(linkId);
  return wish === 'always' || (wish === 'auto' && (options.sessions.get(linkId)?.isSlow ?? false));
}

function sessionOf({ sessions }: OutboundOptions, linkId: string): LinkSession {
  const session = sessions.get(linkId);
  if (session === undefined) throw new BusError('E_LINK_DOWN', 'the link has no session yet');
  return session;
}
