/** A peer's link: the proxy between its brokers, spoiled as the lab spoils the bus's. */
import type { LinkProxy } from '../../src/lab/index.ts';
import type { Contender } from '../contender.ts';

export function linkOf(proxy: LinkProxy): Pick<Contender, 'shape' | 'cut' | 'restore' | 'linkBytes'> {
  return {
    shape: async ({ mbit, ...rest }) => proxy.shape({ ...rest, mbit: mbit ?? Number.POSITIVE_INFINITY }),
    cut: async () => proxy.cut(),
    restore: async () => proxy.restore(),
    linkBytes: async () => proxy.stats.bytes.up + proxy.stats.bytes.down,
  };
}
