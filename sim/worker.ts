/** A thread that runs schedules: replaces modules, loads the product, replaces time and chance, and then takes jobs. */
import { parentPort } from 'node:worker_threads';
import type { Job } from './batch.ts';
import { replaceModules } from './hooks.ts';
import { replaceGlobals } from './realm.ts';

replaceModules();
const { runJob } = await import('./batch.ts');
replaceGlobals();
// a job runs from end to end in one call, outside of every microtask: see scheduler.ts
parentPort?.on('message', (job: Job) => parentPort?.postMessage(runJob(job)));
