/** What is going on, on stderr: a bar that moves on a terminal, a line every other second elsewhere. */

const barWidth = 28;
const lineEveryMs = 2000;
const barEveryMs = 100;

export class Progress {
  readonly #out: NodeJS.WriteStream;
  #lastMs = 0;
  #hasBar = false;

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.#out = out;
  }

  /** A line that stays. */
  say(text: string): void {
    this.#clear();
    this.#out.write(`${text}\n`);
  }

  /** How far it is; most calls write nothing. `note` stands after the numbers. */
  show(done: number, total: number, note: string): void {
    const nowMs = performance.now();
    if (nowMs - this.#lastMs < (this.#out.isTTY ? barEveryMs : lineEveryMs)) return;
    this.#lastMs = nowMs;
    const text = `${renderBar(done, total)}  ${note}`;
    if (!this.#out.isTTY) {
      this.#out.write(`${text}\n`);
      return;
    }
    this.#clear();
    this.#out.write(text.slice(0, (this.#out.columns ?? 80) - 1));
    this.#hasBar = true;
  }

  #clear(): void {
    if (this.#hasBar) this.#out.write('\r\x1b[K');
    this.#hasBar = false;
  }
}

/** `█████░░░░░  50 %  500/1,000` */
function renderBar(done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.floor(share * barWidth);
  const percent = `${Math.floor(share * 100)}`.padStart(3);
  const numbers = `${done.toLocaleString('en')}/${total.toLocaleString('en')}`;
  return `${'█'.repeat(full)}${'░'.repeat(barWidth - full)} ${percent} %  ${numbers}`;
}
