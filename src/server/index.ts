/** nats-server: find it, configure it, run it, reload it. The only door of this folder. */
export { splitAddress } from './addresses.ts';
export * from './config.ts';
export { findUnsynced } from './durability.ts';
export * from './ensure.ts';
export * from './find.ts';
export { isHealthy } from './health.ts';
export { withLock } from './lock.ts';
export { askMonitor } from './monitor.ts';
export { processArguments, processStart } from './process-info.ts';
export { systemRequest } from './system-request.ts';
export { isNewEnough, minimumVersion } from './version.ts';
