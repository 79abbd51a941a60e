/** A link in one word: `a,b` or `a,b,cost`. */
import { checkName, printable } from '../../src/config/names.ts';
import { usage } from '../options.ts';

export function parseLink(text: string): { between: [string, string]; cost?: number } {
  const [a = '', b = '', cost, ...rest] = text.split(',');
  if (b === '' || rest.length > 0) throw usage(`use a,b or a,b,cost for a link (got ${printable(text)})`);
  const between: [string, string] = [checkName('site', a), checkName('site', b)];
  return cost === undefined ? { between } : { between, cost: Number(cost) };
}
