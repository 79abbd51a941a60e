/** What the doctor says of one thing it looked at. */
export interface Finding {
  /** what was looked at: `certificate`, `disk`, … */
  check: string;
  level: 'ok' | 'warning' | 'problem';
  /** the site, part or file it is about */
  subject: string;
  /** one sentence: what is so */
  text: string;
  /** one sentence: what to do; empty when all is well */
  remedy: string;
}

type Words = Pick<Finding, 'check' | 'subject' | 'text'>;

export function ok(words: Words): Finding {
  return { ...words, level: 'ok', remedy: '' };
}

export function warning(words: Words, remedy: string): Finding {
  return { ...words, level: 'warning', remedy };
}

export function problem(words: Words, remedy: string): Finding {
  return { ...words, level: 'problem', remedy };
}
