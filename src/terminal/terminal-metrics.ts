/** What a terminal counts. One set per sidecar; the customer and the topic are labels. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface TerminalMetrics {
  messagesSent: Counter<'topic'>;
  envelopesSent: Counter<'topic'>;
  bytesSent: Counter<'topic'>;
  messagesDropped: Counter<'topic' | 'group'>;
  deadLetters: Counter<'topic' | 'group' | 'reason'>;
  deadLettersHeld: Gauge<'customer' | 'topic' | 'group'>;
  messagesStored: Counter<'topic' | 'group'>;
  messagesLost: Counter<'topic' | 'group'>;
  envelopeFormat: Gauge<'customer'>;
  envelopesRefused: Counter<'code'>;
  envelopesQuarantined: Counter<'topic'>;
  receiptsRefused: Counter<'code'>;
  /** envelopes that arrived here, by the sites they came over */
  pathArrived: Counter<'customer' | 'path'>;
  transitStored: Counter<'customer'>;
  transitRepeated: Counter<'customer'>;
  transitForwarded: Counter<'customer'>;
  transitForwardedBytes: Counter<'customer'>;
  transitReleased: Counter<'customer'>;
  transitUsed: Gauge<'customer'>;
  waysGivenUp: Counter<'customer' | 'over'>;
  messagesMoved: Counter<'topic' | 'group'>;
  groupConsumers: Gauge<'customer' | 'topic' | 'group'>;
  linkUp: Gauge<'customer' | 'peer'>;
  linkRtt: Gauge<'customer' | 'peer'>;
  linkJitter: Gauge<'customer' | 'peer'>;
  linkLoss: Gauge<'customer' | 'peer'>;
  linkBacklog: Gauge<'customer' | 'peer'>;
  linkCost: Gauge<'customer' | 'peer'>;
  linkRedials: Counter<'customer' | 'peer'>;
  routingRecords: Counter<'customer' | 'outcome'>;
  routingRefused: Counter<'customer' | 'reason'>;
  routingSent: Counter<'customer'>;
  routingSentBytes: Counter<'customer'>;
  outgoing: Gauge<'customer' | 'topic' | 'group'>;
  pending: Gauge<'customer' | 'topic' | 'group'>;
}

export function createTerminalMetrics(registry: Registry): TerminalMetrics {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[]): Counter<L> =>
    new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]): Gauge<L> =>
    new Gauge({ name, help, labelNames, registers });
  return {
    messagesSent: counter('mbus_messages_sent_total', 'Messages handed to links, repeats included', ['topic']),
    envelopesSent: counter('mbus_envelopes_sent_total', 'Envelopes handed to links, repeats included', ['topic']),
    bytesSent: counter('mbus_sent_bytes_total', 'Bytes of frames handed to links', ['topic']),
    messagesDropped: counter(
      'mbus_messages_dropped_total',
      'Messages that groups with onFull dropOldest dropped here',
      ['topic', 'group'],
    ),
    deadLetters: counter('mbus_dead_letters_total', 'Messages put to the dead letters of their group, by reason', [
      'topic',
      'group',
      'reason',
    ]),
    deadLettersHeld: gauge('mbus_dead_letters', 'Dead letters held here', ['customer', 'topic', 'group']),
    messagesStored: counter('mbus_messages_stored_total', 'Messages from other sites stored in group streams', [
      'topic',
      'group',
    ]),
    messagesLost: counter(
      'mbus_messages_lost_total',
      'Sequences that were receipted here and are not on this disk: it is an older copy',
      ['topic', 'group'],
    ),
    envelopeFormat: gauge(
      'mbus_envelope_format',
      'Format that envelopes are written in here: the newest that all terminals read',
      ['customer'],
    ),
    envelopesRefused: counter('mbus_envelopes_refused_total', 'Arrivals that were not stored, by error code', ['code']),
    envelopesQuarantined: counter('mbus_envelopes_quarantined_total', 'Arrivals that may not be opened any more', [
      'topic',
    ]),
    receiptsRefused: counter('mbus_receipts_refused_total', 'Receipts that did not verify or concern nothing here', [
      'code',
    ]),
    pathArrived: counter(
      'mbus_path_envelopes_total',
      'Envelopes that arrived for groups here, by the sites on their path',
      ['customer', 'path'],
    ),
    transitStored: counter('mbus_transit_stored_total', 'Envelopes stored here on their way to others', ['customer']),
    transitRepeated: counter(
      'mbus_transit_repeated_total',
      'Envelopes for others that were held or receipted already and not stored again',
      ['customer'],
    ),
    transitForwarded: counter('mbus_transit_forwarded_total', 'Envelopes handed on for others', ['customer']),
    transitForwardedBytes: counter('mbus_transit_forwarded_bytes_total', 'Bytes of frames handed on', ['customer']),
    transitReleased: counter('mbus_transit_released_total', 'Envelopes given up here; their origin sends them again', [
      'customer',
    ]),
    transitUsed: gauge('mbus_transit_used_bytes', 'Held here on its way to others', ['customer']),
    waysGivenUp: counter(
      'mbus_ways_given_up_total',
      'Times envelopes of this site began to go around a site because no receipts came back over it',
      ['customer', 'over'],
    ),
    messagesMoved: counter('mbus_messages_moved_total', 'Messages moved to another terminal of their group', [
      'topic',
      'group',
    ]),
    groupConsumers: gauge('mbus_group_consumers', 'Live consumers here of a group with several terminals', [
      'customer',
      'topic',
      'group',
    ]),
    linkUp: gauge('mbus_link_up', '1 while the link is up', ['customer', 'peer']),
    linkRtt: gauge('mbus_link_rtt_seconds', 'Smoothed round trip of hellos', ['customer', 'peer']),
    linkJitter: gauge('mbus_link_jitter_seconds', 'Mean change from one round trip to the next', ['customer', 'peer']),
    linkLoss: gauge('mbus_link_loss_ratio', 'Unanswered of the last 32 hellos', ['customer', 'peer']),
    linkBacklog: gauge('mbus_link_backlog_seconds', 'How long what waits for the link will take', ['customer', 'peer']),
    linkCost: gauge('mbus_link_cost', 'What the link costs now as this end announces it, 0 while it is not up', [
      'customer',
      'peer',
    ]),
    linkRedials: counter('mbus_link_redials_total', 'Times the link was dialled anew because it carried nothing', [
      'customer',
      'peer',
    ]),
    routingRecords: counter('mbus_routing_records_total', 'Routing records heard: newer, known, own or refused', [
      'customer',
      'outcome',
    ]),
    routingRefused: counter('mbus_routing_records_refused_total', 'Routing records refused, by reason', [
      'customer',
      'reason',
    ]),
    routingSent: counter('mbus_routing_records_sent_total', 'Routing records handed to links', ['customer']),
    routingSentBytes: counter('mbus_routing_sent_bytes_total', 'Bytes of routing records handed to links', [
      'customer',
    ]),
    outgoing: gauge('mbus_group_outgoing_messages', 'Waiting here for a group at another site', [
      'customer',
      'topic',
      'group',
    ]),
    pending: gauge('mbus_group_pending_messages', 'Waiting here for consumers of the group', [
      'customer',
      'topic',
      'group',
    ]),
  };
}
