/**
 * A declared bus as far as it can be read: every value of the right type, with its path, and nothing else. The checks
 * that span nouns run on this view, so a wrong type in one place does not hide a dangling name in another.
 */
import type { ProblemPath } from './problem.ts';

/** A string with its place. */
export interface LooseText {
  text: string;
  path: ProblemPath;
}

export class LooseNode {
  readonly value: unknown;
  readonly path: ProblemPath;

  constructor(value: unknown, path: ProblemPath = []) {
    this.value = value;
    this.path = path;
  }

  get(step: string | number): LooseNode {
    return new LooseNode(child(this.value, step), [...this.path, step]);
  }

  list(key: string): LooseNode[] {
    const { value, path } = this.get(key);
    return Array.isArray(value) ? value.map((item: unknown, index) => new LooseNode(item, [...path, index])) : [];
  }

  /** The string at `key`, undefined when it is missing or something else. */
  text(key: string): string | undefined {
    const { value } = this.get(key);
    return typeof value === 'string' ? value : undefined;
  }

  texts(key: string): LooseText[] {
    return this.list(key).flatMap(({ value, path }) => (typeof value === 'string' ? [{ text: value, path }] : []));
  }
}

/** What stands under a key or an index; undefined when there is no such thing. Own properties only. */
function child(value: unknown, step: string | number): unknown {
  if (Array.isArray(value)) return typeof step === 'number' ? value[step] : undefined;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
  return (value as Record<string, unknown>)[step];
}
