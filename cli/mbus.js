#!/usr/bin/env node
// The installed entry. Runs the TypeScript source where it stands beside this file (a checkout), else the built
// program (the published package). A Node too old for both hands over to the `node` package's copy: one of this
// checkout, or one that was installed beside the published package.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const isRecent = major > 22 || (major === 22 && minor >= 18);
// A sidecar is held to a small heap: on a machine with much memory V8 lets garbage grow to many times what is alive. V8 takes
// such limits from the command line alone, so the process starts over as itself, with the same number.
const heap = ['--max-semi-space-size=8', '--max-old-space-size=1024'];
const isSidecar = process.argv[2] === 'sidecar' && process.argv[3] === 'run';
const isLimited = /-space-size/.test([process.env.NODE_OPTIONS, ...process.execArgv].join(' '));
const bundledNode = ['../node_modules/node/bin/node', '../../../node/bin/node'].map(here).find(existsSync);

if (isRecent && isSidecar && !isLimited && process.platform !== 'win32') {
  process.execve(process.execPath, [process.execPath, ...heap, ...process.execArgv, ...process.argv.slice(1)]);
}

if (isRecent) {
  // compiled code is kept between calls: half of a short command's time is reading its modules
  module.enableCompileCache?.();
  const source = here('./main.ts');
  const program = await import(existsSync(source) ? source : here('../dist/cli/main.js'));
  process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1)); // `mbus … | head` is done
  process.exitCode = await program.run(process.argv);
  // A handle that somebody forgot to close must not keep a finished command alive.
  setTimeout(() => process.exit(), 3000).unref();
} else if (bundledNode !== undefined) {
  const child = spawn(bundledNode, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code) => {
    process.exitCode = code ?? 1;
  });
} else {
  process.stderr.write(
    `mbus: needs Node 22.18 or newer, this is ${process.versions.node}: install a newer one, or npm install node@24 beside it\n`,
  );
  process.exitCode = 2;
}
