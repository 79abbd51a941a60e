/** How far a long verb is, on stderr: a bar where a person looks at it, a plain count every two seconds elsewhere. */

export interface Progress {
  /** `share`: 0 to 1 */
  show(share: number, done: number): void;
  end(done: number): void;
  seconds(): number;
}

const barWidth = 30;

export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  const start = performance.now();
  const everyMs = stream.isTTY ? 100 : 2_000;
  let shownAt = start;
  const seconds = (): number => (performance.now() - start) / 1000;
  const rate = (done: number): string => `${Math.round(done / Math.max(seconds(), 0.001))}/s`;
  return {
    seconds,
    show(share, done) {
      const now = performance.now();
      if (now - shownAt < everyMs) return;
      shownAt = now;
      if (stream.isTTY) stream.write(`\r${bar(share)} ${done} events ${rate(done)}  `);
      else stream.write(`${Math.round(share * 100)} % ${done} events ${rate(done)}\n`);
    },
    end(done) {
      if (stream.isTTY) stream.write(`\r${bar(1)} ${done} events ${rate(done)}  \n`);
    },
  };
}

function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * barWidth);
  return `[${'#'.repeat(full)}${' '.repeat(barWidth - full)}]`;
}
