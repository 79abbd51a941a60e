/** Names as a command line gives them: customer/site, customer/topic, customer/topic@group. Each part is checked. */
import type { GroupName } from '../src/config/edit.ts';
import { checkName, type NameKind, printable } from '../src/config/names.ts';
import { usage } from './options.ts';

/** `customer/name`, both checked. */
export function customerName(kind: NameKind, text: string): { customer: string; name: string } {
  const [customer = '', name = '', ...rest] = text.split('/');
  if (rest.length > 0 || !text.includes('/')) throw usage(`use customer/${kind} (got ${printable(text)})`);
  return { customer: checkName('customer', customer), name: checkName(kind, name) };
}

/** `customer/topic@group`, all three checked. */
export function groupName(text: string): GroupName {
  const [path = '', group = '', ...rest] = text.split('@');
  if (rest.length > 0 || !text.includes('@')) throw usage(`use customer/topic@group (got ${printable(text)})`);
  const { customer, name } = customerName('topic', path);
  return { customer, topic: name, group: checkName('group', group) };
}

/** Names in a list with commas. */
export function nameList(text: string): string[] {
  return text.split(',').map((name) => name.trim());
}
