/** A partial shipment waits a moment for company while another is under way, so that few messages do not go one by one. */
const patienceMs = 1;

export class Company {
  readonly #onOver: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /** Whether the wait is over; begins one when there is none. */
  get isOver(): boolean {
    if (this.#isOver) return true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#isOver = true;
      this.#onOver();
    }, patienceMs);
    return false;
  }

  /** The shipment goes. */
  end(): void {
    this.#isOver = false;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
