/**
 * From the text of a bus file to a checked bus. YAML errors, unknown keys, wrong types and everything that spans nouns
 * are reported together, each as `file:line: path: problem (got x)`, as one E_CONFIG; nothing is half accepted.
 * The text is foreign: its size, depth and aliases are bounded, and what is printed of it is escaped.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml';
import { BusError, errorText } from '../errors.ts';
import type { BusFile } from './bus-file.ts';
import { checkBus } from './check.ts';
import { printable } from './names.ts';
import { maxListed, type Problem, type ProblemPath, pathText, problemsError, type ReportedProblem } from './problem.ts';

/** a bus of some 15,000 lines */
const maxTextBytes = 1024 * 1024;
const maxAliases = 100;

/** Parses and checks a bus file. `fileName` stands before each line of a problem. Throws E_CONFIG. */
export function parseBusFile(text: string, fileName: string): BusFile {
  if (Buffer.byteLength(text) > maxTextBytes) {
    throw new BusError('E_CONFIG', `${fileName}: larger than ${maxTextBytes} bytes (got ${Buffer.byteLength(text)})`);
  }
  const lines = new LineCounter();
  const document = composeDocument(text, fileName, lines);
  const syntax = [...syntaxProblems(document, lines), ...duplicateKeys(document, lines)];
  if (document.errors.length > 0) throw problemsError(fileName, syntax);

  const { file, problems } = checkBus(toPlain(document, fileName));
  if (file && syntax.length === 0) return file;
  const reported = problems.slice(0, maxListed).map((problem) => reportAt(document, lines, problem));
  throw problemsError(fileName, byLine([...syntax, ...reported]), syntax.length + problems.length);
}

// Duplicate keys are looked for below: the parser's own check takes quadratic time on a map of many keys.
function composeDocument(text: string, fileName: string, lineCounter: LineCounter): Document {
  try {
    return parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: false, logLevel: 'error' });
  } catch (error) {
    throw new BusError('E_CONFIG', `${fileName}: not readable as YAML: ${errorText(error)}`, { cause: error });
  }
}

function toPlain(document: Document, fileName: string): unknown {
  try {
    return document.toJS({ maxAliasCount: maxAliases });
  } catch (error) {
    throw new BusError('E_CONFIG', `${fileName}: not readable as YAML: ${errorText(error)}`, { cause: error });
  }
}

function syntaxProblems(document: Document, lines: LineCounter): ReportedProblem[] {
  return document.errors.map((error) => ({
    line: lines.linePos(error.pos[0]).line,
    path: '(document)',
    text: error.code === 'MULTIPLE_DOCS' ? 'a second document: a bus is one' : notYaml(error.message),
  }));
}

function notYaml(message: string): string {
  return `not valid YAML: ${printable(message).slice(1, -1)}`;
}

function duplicateKeys(document: Document, lines: LineCounter): ReportedProblem[] {
  const found: ReportedProblem[] = [];
  visit(document, {
    Map(_, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const line = lines.linePos(key.range?.[0] ?? 0).line;
        const name = printable(String(key.value));
        if (seen.has(key.value)) found.push({ line, path: name.slice(1, -1), text: `key ${name} is there twice` });
        seen.add(key.value);
      }
    },
  });
  return found;
}

function reportAt(document: Document, lines: LineCounter, { path, text, isKey }: Problem): ReportedProblem {
  const offset = offsetOf(document, path, isKey === true);
  return { line: lines.linePos(offset).line, path: pathText(path), text };
}

/** Where the node at `path` starts; of a node that is not there, its nearest parent. */
function offsetOf(document: Document, path: ProblemPath, isKey: boolean): number {
  let node = followAlias(document, document.contents);
  let offset = node?.range?.[0] ?? 0;
  for (const [index, step] of path.entries()) {
    const isLast = index === path.length - 1;
    const next = childOf(node, step);
    if (!next) break;
    offset = (isLast && isKey ? next.key : next.value)?.range?.[0] ?? next.key?.range?.[0] ?? offset;
    node = followAlias(document, next.value);
  }
  return offset;
}

function childOf(node: Node | null, step: string | number): { key: Node | null; value: Node | null } | undefined {
  if (isSeq(node) && typeof step === 'number' && step < node.items.length) {
    return { key: null, value: asNode(node.items[step]) };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.findLast(({ key }) => isScalar(key) && String(key.value) === String(step));
  return pair && { key: asNode(pair.key), value: asNode(pair.value) };
}

function asNode(value: unknown): Node | null {
  return isAlias(value) || isMap(value) || isSeq(value) || isScalar(value) ? value : null;
}

function followAlias(document: Document, node: Node | null): Node | null {
  return isAlias(node) ? (node.resolve(document) ?? null) : node;
}

function byLine(problems: ReportedProblem[]): ReportedProblem[] {
  return problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
}
