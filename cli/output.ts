/** Where a verb's words go: the result to stdout, as text or as one JSON document, everything else to stderr. */

/** Prints a verb's result. `text` is for people and made only when it is wanted. */
export function printResult(isJson: boolean | undefined, document: unknown, text: () => string): void {
  const shown = isJson ? JSON.stringify(document) : text();
  if (shown !== '') process.stdout.write(`${shown}\n`);
}

/** Progress and notes for the person at the terminal. */
export function talk(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Columns aligned by spaces; the first row is the head. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
