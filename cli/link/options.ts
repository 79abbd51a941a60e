/** The fields of a link as options of `link add` and `link set`. */
import { type Command, Option } from 'commander';
import type { LinkSpec } from '../../src/config/bus-file.ts';
import { hostPort, proxyUrl, wholeNumber } from '../options.ts';

export type LinkFields = Partial<Pick<LinkSpec, 'cost' | 'via' | 'transport' | 'proxy' | 'compress'>>;

export function withLinkFields(verb: Command): Command {
  return verb
    .option('--cost <n>', 'operator cost: paths prefer the smaller sum', wholeNumber(1))
    .option('--via <host:port>', "dial this instead of the accepting site's address", hostPort)
    .addOption(
      new Option('--transport <how>', 'ws: WebSocket, for LANs that let out only port 443').choices(['tcp', 'ws']),
    )
    .option('--proxy <url>', "HTTP proxy to go through, instead of the dialling site's", proxyUrl)
    .addOption(new Option('--compress <when>', 'compress envelopes').choices(['auto', 'always', 'never']));
}
