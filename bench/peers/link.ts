/** A peer's links: the proxies between its brokers, spoiled as the lab spoils the bus's. */
import type { LinkProxy } from '../../src/lab/index.ts';
import type { Contender } from '../contender.ts';

export function linkOf(...proxies: LinkProxy[]): Pick<Contender, 'shape' | 'cut' | 'restore' | 'linkBytes'> {
  return {
    shape: async ({ mbit, ...rest }) => {
      for (const proxy of proxies) proxy.shape({ ...rest, mbit: mbit ?? Number.POSITIVE_INFINITY });
    },
    cut: async () => {
      for (const proxy of proxies) proxy.cut();
    },
    restore: async () => {
      for (const proxy of proxies) proxy.restore();
    },
    linkBytes: async () => proxies.reduce((sum, { stats: { bytes } }) => sum + bytes.up + bytes.down, 0),
  };
}
