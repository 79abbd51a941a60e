/** What the verbs of `mbus lab` share: the lab's directory and the way to name a link. */
import { resolve } from 'node:path';
import { Option } from 'commander';
import type { LinkRef } from '../../src/lab/index.ts';
import { type JsonOption, usage } from '../options.ts';

export interface LabOptions extends JsonOption {
  dir: string;
}

export function labDirOption(): Option {
  return new Option('--dir <dir>', "the lab's directory")
    .default(resolve('./mbus-lab'), './mbus-lab')
    .argParser((path: string) => resolve(path));
}

export const linkWords = '<words...>';
export const linkWordsHelp = "CUSTOMER SITE SITE: a customer's link · control SITE: a site's link to the control plane";

/** The link named on the command line. */
export function linkRef(words: string[]): LinkRef {
  const [first, second, third] = words;
  if (words.length === 2 && first === 'control' && second !== undefined) return { control: second };
  if (words.length === 3 && first && second && third) return { customer: first, a: second, b: third };
  throw usage('name a link: CUSTOMER SITE SITE, or control SITE');
}

export function linkText(link: LinkRef): string {
  return 'control' in link ? `control ${link.control}` : `${link.customer} ${link.a} ${link.b}`;
}
