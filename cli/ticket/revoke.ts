/** `mbus ticket revoke`: a ticket, or all of a topic, opens nothing any more. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { usage } from '../options.ts';
import { printResult } from '../output.ts';

interface RevokeOptions extends ControlOptions {
  topic?: string;
}

export function addRevoke(ticket: Command): void {
  controlVerb(
    ticket,
    'revoke [ticket]',
    'revoke a ticket, or all of a topic: what it sealed and is under way opens no more, its sender takes a new one',
    ['mbus ticket revoke 3f1c0a52d7e94b8aa6c1d2e3f4051627', 'mbus ticket revoke --topic acme/trade'],
  )
    .option('--topic <customer/topic>', 'all tickets of this topic')
    .action(revoke);
}

async function revoke(ticketId: string | undefined, { topic, ...options }: RevokeOptions): Promise<void> {
  if ((ticketId === undefined) === (topic === undefined)) throw usage('name a ticket, or a topic with --topic');
  const request = topic === undefined ? { ticketId: ticketId ?? '' } : topicRequest(topic);
  const result = await withControl(options, (control) => control.call('ticket.revoke', request));
  printResult(options.json, result, () => `${result.revoked} revoked; envelopes they sealed come again under new ones`);
}

function topicRequest(path: string): { customer: string; topic: string } {
  const { customer, name: topic } = customerName('topic', path);
  return { customer, topic };
}
