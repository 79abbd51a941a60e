/** A whole bus on one machine, and what can be done to it. The only door of this folder. */
export { type ApplyOptions, labApply } from './apply.ts';
export { labClock } from './clock.ts';
export type { LinkStats } from './daemon-api.ts';
export { labDown } from './down.ts';
export {
  type LinkRef,
  labCut,
  labKill,
  labLinks,
  labPause,
  labRestore,
  labResume,
  labShape,
  labSilence,
  labTap,
  type Part,
  pidsOf,
  type ShapeOptions,
} from './faults.ts';
export type { LabInfo } from './info.ts';
export { type Direction, LinkProxy } from './proxy.ts';
export { labStart, labStatus } from './running.ts';
export { type LabUpOptions, labUp } from './up.ts';
