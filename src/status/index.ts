/** What is up, what waits, and why, from the reports of all sites. Pure: no clock, no network. */
export { filterStatus, type StatusFilter } from './filter.ts';
export { statusOfSite } from './of-site.ts';
export { type Stuck, stuckThings } from './stuck.ts';
export { type LinkEnd, type SiteVoice, type Status, type StatusSite, StatusView } from './view.ts';
export { bytesText, durationText } from './words.ts';
