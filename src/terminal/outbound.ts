/**
 * The way out of a terminal: a shipment of one topic becomes a sealed envelope with a signed manifest, and a frame per
 * next hop. Resolves when every next hop has stored it; nothing is kept here, so a failure means that the cursor reads again.
 */
import type { SnapshotTopic } from '../api/snapshot.ts';
import type { Shipment, Shipper } from '../capture/index.ts';
import {
  encodeBody,
  encodeFrame,
  type Flow,
  MAX_BODY_BYTES,
  type Manifest,
  type SignFn,
  signManifest,
} from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import type { Routes } from '../routing/index.ts';
import type { Sealer } from '../sealing/index.ts';
import type { LinkSession } from '../transit/index.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';

export interface OutboundOptions {
  flow: Flow;
  customerId: string;
  topic: () => SnapshotTopic;
  snapshotVersion: () => number;
  sealer: Sealer;
  sign: SignFn;
  routes: Routes;
  sessions: ReadonlyMap<string, LinkSession>;
  /** whether the link's configuration asks for compression, or leaves it to the session */
  compressOf: (linkId: string) => 'auto' | 'always' | 'never';
  metrics: TerminalMetrics;
}

const hopLimit = 16;
/** frame head, manifest, sealed header, certificate, signature, reply subject: more than all of them together */
const overheadBytes = 16 * 1024;
const minBytes = 64 * 1024;
const patienceFloorMs = 2_000;

export function createOutbound(options: OutboundOptions): Shipper {
  const { routes, sessions } = options;
  return {
    isReachable: (terminalId) => routes.isReachable(terminalId),
    maxShipmentBytes: () => {
      const limits = [...sessions.values()]
        .filter((session) => session.state === 'up')
        .map((session) => session.maxFrameBytes);
      return Math.max(minBytes, Math.min(MAX_BODY_BYTES, ...limits) - overheadBytes);
    },
    receiptPatienceMs: (terminalId) => {
      const session = sessions.get(routes.linkTo(terminalId) ?? '');
      return patienceFloorMs + 8 * (session?.rttMs ?? 0);
    },
    ship: (shipment, onStored) => ship(options, shipment, onStored),
  };
}

async function ship(
  options: OutboundOptions,
  shipment: Shipment,
  onStored: (terminalIds: readonly string[]) => void,
): Promise<void> {
  const { flow, sealer, metrics } = options;
  const topic = options.topic();
  const hops = nextHops(options, shipment);
  const body = encodeBody(topic.name, shipment.messages);
  const compress = [...hops.keys()].some((linkId) => wantsCompression(options, linkId));
  const { sealed, envelopeId } = await sealer.seal(topic, body, { count: shipment.messages.length, compress });
  const manifest = signManifest(manifestOf(options, shipment, envelopeId), options.sign);
  const sends = [...hops].map(async ([linkId, terminalIds]) => {
    const session = sessionOf(options, linkId);
    const frame = encodeFrame({
      kind: 'envelope',
      hopLimit,
      path: [flow.originId],
      destinations: terminalIds,
      manifest,
      sealed,
    });
    await session.send(frame);
    metrics.envelopesSent.inc({ topic: topic.name });
    metrics.bytesSent.inc({ topic: topic.name }, frame.length);
    onStored(terminalIds);
  });
  // every hop is tried to its end, so that one slow link does not waste what another has carried
  const outcomes = await Promise.allSettled(sends);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  metrics.messagesSent.inc({ topic: topic.name }, shipment.messages.length);
}

/** Terminals of the shipment by the link that leads there. */
function nextHops({ routes }: OutboundOptions, { duties }: Shipment): Map<string, string[]> {
  const hops = new Map<string, string[]>();
  for (const terminalId of new Set(duties.map((duty) => duty.terminalId))) {
    const linkId = routes.linkTo(terminalId);
    if (linkId === null) throw new BusError('E_LINK_DOWN', `no path to terminal ${terminalId}`);
    hops.set(linkId, [...(hops.get(linkId) ?? []), terminalId]);
  }
  return hops;
}

function manifestOf(options: OutboundOptions, shipment: Shipment, envelopeId: Uint8Array): Manifest {
  const { first, last, floor, duties } = shipment;
  const assignments = duties
    .map(({ groupId, terminalId }) => ({ groupId, terminalId }))
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
