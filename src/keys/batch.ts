/**
 * Questions that come at the same time, asked as one: while one batch is with the database, what comes meanwhile waits for the
 * next. Each is answered by a statement that began after it came, so an answer is never older than its question.
 */
interface Waiting<Question, Answer> {
  question: Question;
  resolve: (answer: Answer) => void;
  reject: (error: unknown) => void;
}

export class Batch<Question, Answer> {
  readonly #run: (questions: Question[]) => Promise<readonly Answer[]>;
  readonly #maxSize: number;
  #waiting: Waiting<Question, Answer>[] = [];
  #running = 0;

  /** @param run answers in the order of the questions */
  constructor(run: (questions: Question[]) => Promise<readonly Answer[]>, maxSize = 128) {
    this.#run = run;
    this.#maxSize = maxSize;
  }

  ask(question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ question, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    if (this.#running >= maxRunning || this.#waiting.length === 0) return;
    const batch = this.#waiting.splice(0, this.#maxSize);
    this.#running += 1;
    void this.#answer(batch).finally(() => {
      this.#running -= 1;
      this.#next();
    });
  }

  async #answer(batch: readonly Waiting<Question, Answer>[]): Promise<void> {
    try {
      const answers = await this.#run(batch.map(({ question }) => question));
      batch.forEach(({ resolve }, at) => {
        resolve(answers[at] as Answer);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}

/** one is on its way while another is being answered */
const maxRunning = 2;
