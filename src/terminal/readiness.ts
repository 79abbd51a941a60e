/** Why a terminal does not work yet, and which of its links carry nothing: a plain sentence each, for /readyz. */
import type { SnapshotCustomer } from '../api/snapshot.ts';
import type { Terminal } from './terminal.ts';

/** Empty when the terminal is registered and every topic has its streams. `terminal`: undefined until it has started. */
export function notReadyOf(customer: SnapshotCustomer, terminal: Terminal | undefined): string[] {
  if (terminal === undefined) return [`${customer.name}: the terminal has not started`];
  const self = customer.terminals.find(({ id }) => id === customer.terminalId);
  const unregistered = self?.signKey === null ? [`${customer.name}: the terminal is not registered`] : [];
  const topics = customer.topics.filter(({ id }) => !terminal.isTopicReady(id));
  return [...unregistered, ...topics.map(({ name }) => `${customer.name}/${name}: its streams are not ready`)];
}

/** The terminal's own links that are not up. */
export function linksDownOf({ name, terminalId, links }: SnapshotCustomer, terminal: Terminal | undefined): string[] {
  return links
    .filter(({ a, b }) => a === terminalId || b === terminalId)
    .map(({ id }) => ({ id, known: terminal?.links.get(id) }))
    .filter(({ known }) => known?.session.isUp !== true)
    .map(({ id, known }) => {
      return `${name}: link to ${known?.side.peerName ?? id} is ${known?.session.state ?? 'not set up'}`;
    });
}
