/** Groups over terminals: how busy they are here, where a backlog goes when it cannot stay, and what is left of them. */
export { deleteBacklog } from './backlog-reader.ts';
export { GroupKeeper, type HeldGroup } from './group-keeper.ts';
export { removeLeftOvers } from './left-overs.ts';
export { LoadMeter, type SampledField, sampleOf } from './load.ts';
