/** Imported by the program that sidecar-heap.test.ts starts: its number, and what stands on its command line for V8. */
process.stderr.write(`${['program', process.pid, ...process.execArgv].join(' ')}\n`);
