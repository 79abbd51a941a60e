/**
 * Virtual time: one queue of events, run one after the other. Between two events every promise that can go on has gone on,
 * so an event is everything a process does from one await on the outside world to the next, and a crash between two events
 * is a crash at that await.
 *
 * Each event belongs to a process (a sidecar, a nats-server) or to the world. A dead process runs nothing any more; a paused
 * one runs what has come meanwhile, in order, when it goes on. What runs in which order is hashed: two schedules with equal
 * hashes made the same decisions.
 */

import { hashText } from './random.ts';

class Event implements Cancel {
  atMs: number;
  order: number;
  readonly process: Target;
  readonly label: number;
  readonly run: () => void;
  isCancelled = false;

  constructor(atMs: number, order: number, process: Target, label: number, run: () => void) {
    this.atMs = atMs;
    this.order = order;
    this.process = process;
    this.label = label;
    this.run = run;
  }

  cancel(): void {
    this.isCancelled = true;
  }
}

/** Whose event it is; a function finds out when it happens. */
export type Target = Process | null | (() => Process | null);

export interface Cancel {
  cancel(): void;
}

/** Something that can be killed, loses its memory then, and never runs again; its successor is another Process. */
export class Process {
  readonly name: string;
  readonly id: number;
  isAlive = true;
  /** wall clock less virtual time, milliseconds */
  wallOffsetMs = 0;
  /** timers that are set */
  timers = 0;
  /** events it has run */
  steps = 0;
  /** set while it is stopped and will go on: what has come meanwhile */
  held: Event[] | undefined;
  /** called after each of its events */
  onStep: (() => void) | undefined;

  constructor(name: string, id: number) {
    this.name = name;
    this.id = id;
  }
}

/** process._tickCallback runs every microtask and next tick that waits: only from outside of any of them */
const drain = (process as unknown as { _tickCallback(): void })._tickCallback;

const labelTexts = new Map<number, string>();

/** A number per text, the same in every thread: labels are hashed at every event. */
export function labelOf(text: string): number {
  const label = hashText(text);
  labelTexts.set(label, text);
  return label;
}

export class Scheduler {
  nowMs = 0;
  /** whose code runs now */
  current: Process | null = null;
  /** events run */
  steps = 0;
  /** told of everything that happens, when it is traced */
  onLine: ((text: string) => void) | undefined;
  /** an error that nobody caught */
  onError: (error: unknown) => void = (error) => {
    throw error;
  };
  readonly #heap: Event[] = [];
  #order = 0;
  #processes = 0;
  #serial = 0;
  #hashLow = 0x811c9dc5;
  #hashHigh = 0x01234567;

  createProcess(name: string): Process {
    this.#processes += 1;
    return new Process(name, this.#processes);
  }

  /** numbers for names that must not repeat within a schedule */
  nextSerial(): number {
    this.#serial += 1;
    return this.#serial;
  }

  at(delayMs: number, process: Target, label: number, run: () => void): Cancel {
    this.#order += 1;
    const event = new Event(this.nowMs + delayMs, this.#order, process, label, run);
    this.#push(event);
    return event;
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    const event = this.#pop();
    if (event === undefined) return false;
    this.nowMs = Math.max(this.nowMs, event.atMs);
    const process = typeof event.process === 'function' ? event.process() : event.process;
    if (event.isCancelled || process?.isAlive === false) return true;
    if (process?.held !== undefined) {
      process.held.push(event);
      return true;
    }
    this.#note(event.label, process);
    this.enter(process, event.run);
    if (process !== null) {
      process.steps += 1;
      process.onStep?.();
    }
    return true;
  }

  /** Runs work as code of a process, and everything that can go on after it. */
  enter(process: Process | null, work: () => void): void {
    this.current = process;
    try {
      work();
      drain();
    } catch (error) {
      this.onError(error);
    } finally {
      this.current = null;
    }
  }

  pause(process: Process): void {
    process.held ??= [];
  }

  resume(process: Process): void {
    const held = process.held ?? [];
    process.held = undefined;
    for (const event of held) {
      this.#order += 1;
      event.atMs = this.nowMs;
      event.order = this.#order;
      this.#push(event);
    }
  }

  /** Sixteen hexadecimal digits for what ran in which order. */
  get hash(): string {
    return [this.#hashHigh, this.#hashLow].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }

  #note(label: number, process: Process | null): void {
    this.steps += 1;
    const mark = label * 31 + (process?.id ?? 0);
    this.#hashLow = Math.imul(this.#hashLow ^ mark, 0x01000193);
    this.#hashHigh = Math.imul(this.#hashHigh ^ (mark + 0x9e37), 0x85ebca6b) ^ (this.#hashHigh >>> 13);
    if (this.onLine !== undefined) this.onLine(`${process?.name ?? 'world'}: ${labelTexts.get(label)}`);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
