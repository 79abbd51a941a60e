/** `mbus ticket ls`: who seals what until when. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { wholeNumber } from '../options.ts';
import { printResult, table } from '../output.ts';

interface LsOptions extends ControlOptions {
  limit: number;
  all?: boolean;
}

export function addLs(ticket: Command): void {
  controlVerb(ticket, 'ls [customer/topic]', 'list the tickets that live, newest first', [
    'mbus ticket ls',
    'mbus ticket ls acme/trade --all --json',
  ])
    .option('--all', 'those that have ended and may still be renewed for a receiver, too')
    .option('--limit <n>', 'at most this many, up to 1000', wholeNumber(1), 100)
    .action(ls);
}

async function ls(path: string | undefined, { limit, all = false, ...options }: LsOptions): Promise<void> {
  const topic = path === undefined ? undefined : customerName('topic', path);
  const request = { ...(topic && { customer: topic.customer, topic: topic.name }), isLive: !all, limit };
  const result = await withControl(options, (control) => control.call('ticket.list', request));
  const rows = result.tickets.map((ticket) => [
    ticket.ticketId,
    ticket.topic,
    ticket.site ?? '-',
    String(ticket.epoch),
    ticket.issuedAt,
    ticket.state,
    String(ticket.sealed),
    String(ticket.renewals),
  ]);
  const head = ['TICKET', 'TOPIC', 'SITE', 'VERSION', 'ISSUED', 'STATE', 'SEALED', 'RENEWALS'];
  printResult(options.json, result, () => table([head, ...rows]));
}
