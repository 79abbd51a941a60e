/** Which terminals serve a group, in the declared order (the primary of an ordered group comes first). */
import type { Registry } from './connection.ts';

export interface GroupTerminal {
  groupId: string;
  terminalId: string;
}

export async function listGroupTerminals(db: Registry, customerIds?: readonly string[]): Promise<GroupTerminal[]> {
  let query = db
    .selectFrom('group_terminals')
    .select(['group_id', 'terminal_id'])
    .orderBy('group_id')
    .orderBy('position');
  if (customerIds) query = query.where('customer_id', 'in', [...customerIds]);
  const rows = await query.execute();
  return rows.map((row) => ({ groupId: row.group_id, terminalId: row.terminal_id }));
}

export async function setGroupTerminals(
  trx: Registry,
  group: { customerId: string; groupId: string },
  terminalIds: readonly string[],
): Promise<void> {
  await trx.deleteFrom('group_terminals').where('group_id', '=', group.groupId).execute();
  const rows = terminalIds.map((terminal_id, position) => ({
    customer_id: group.customerId,
    group_id: group.groupId,
    terminal_id,
    position,
  }));
  if (rows.length > 0) await trx.insertInto('group_terminals').values(rows).execute();
}
