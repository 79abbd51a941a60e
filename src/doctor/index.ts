/** The doctor: looks at a site, a control plane or the whole bus, and says what is wrong and what to do. The only door of this folder. */
export { askBus, type BusFacts, examineBus } from './bus.ts';
export type { Finding } from './finding.ts';
export { checkCertificateFile, checkDisk, checkPermissions } from './machine.ts';
export { examineSite } from './site.ts';
