/**
 * Checks a declared bus as a whole: shape and types by the schema, then what spans nouns (dangling names, duplicates,
 * links nobody can dial, rights without a topic). Pure; reports every problem at once. The registry runs it on what
 * reaches it by the API, parse.ts on files.
 */
import type { z } from 'zod';
import { type BusFile, busFileSchema } from './bus-file.ts';
import { checkCustomer, checkPort, duplicateNames } from './check-customer.ts';
import { LooseNode } from './loose.ts';
import { printable } from './names.ts';
import { got, type Problem, pathText, problemsError } from './problem.ts';

export type CheckResult = { file: BusFile; problems: [] } | { file: null; problems: [Problem, ...Problem[]] };

/** All problems of anything that claims to be a declared bus, or the bus with its defaults filled in. */
export function checkBus(value: unknown): CheckResult {
  const parsed = busFileSchema.safeParse(value);
  const shape = parsed.success ? [] : parsed.error.issues.flatMap((issue) => shapeProblems(issue, value));
  const [first, ...rest] = [...shape, ...checkNouns(new LooseNode(value))];
  if (parsed.success && !first) return { file: parsed.data, problems: [] };
  return { file: null, problems: [first ?? { path: [], text: 'is not a bus' }, ...rest] };
}

/** The bus, checked as a whole, or one E_CONFIG with every problem. `source` stands where a file name would. */
export function requireBus(value: unknown, source: string): BusFile {
  const { file, problems } = checkBus(value);
  if (file) return file;
  throw problemsError(
    source,
    problems.map(({ path, text }) => ({ line: null, path: pathText(path), text })),
  );
}

function shapeProblems(issue: z.core.$ZodIssue, root: unknown): Problem[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], text: `unknown key ${printable(key)}`, isKey: true }));
  }
  const { value } = path.reduce((node, step) => node.get(step), new LooseNode(root));
  if (value === undefined) return [{ path, text: 'is missing' }];
  return [{ path, text: `${shapeText(issue)} ${got(value)}` }];
}

function shapeText(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type')
    return `must be ${issue.expected === 'int' ? 'a whole number' : article(issue.expected)}`;
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}`;
  if (issue.code === 'too_big') return `must be at most ${issue.maximum}${issue.origin === 'array' ? ' items' : ''}`;
  if (issue.code === 'too_small') return tooSmallText(issue);
  return issue.message;
}

function tooSmallText(issue: z.core.$ZodIssueTooSmall): string {
  if (issue.origin === 'array') return `needs at least ${issue.minimum} ${issue.minimum === 1 ? 'entry' : 'entries'}`;
  return `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}`;
}

function article(type: string): string {
  const words: Record<string, string> = {
    array: 'a list',
    object: 'a map',
    tuple: 'a list of two',
    boolean: 'true or false',
  };
  return words[type] ?? `a ${type}`;
}

function checkNouns(bus: LooseNode): Problem[] {
  const sites = bus.list('sites');
  const known = new Map(
    sites.map((site) => [
      site.text('name') ?? '',
      { mode: site.text('mode'), hasWebsocket: site.get('websocket').value !== undefined },
    ]),
  );
  const customers = bus.list('customers');
  return [
    ...duplicateNames('site', sites),
    ...sites.flatMap(checkSite),
    ...duplicateNames('customer', customers),
    ...customers.flatMap((customer) => checkCustomer(customer, known)),
  ];
}

function checkSite(site: LooseNode): Problem[] {
  const name = printable(site.text('name') ?? '?');
  const hasAddress = site.get('address').value !== undefined;
  const tls = checkTls(site.get('tls'));
  if (tls.length > 0) return tls;
  const ports = [...checkPort(site, 'address'), ...checkPort(site, 'websocket'), ...checkPort(site, 'proxy')];
  if (ports.length > 0) return ports;
  if (site.text('mode') === 'server' && !hasAddress) {
    return [{ path: site.path, text: `site ${name} has mode server and no address: other sites cannot dial it` }];
  }
  if (site.text('mode') === 'client' && hasAddress) {
    return [
      {
        path: site.get('address').path,
        text: `site ${name} has mode client, which takes no address: it only dials out`,
      },
    ];
  }
  const websocket = site.get('websocket');
  if (site.text('mode') === 'client' && websocket.value !== undefined) {
    return [{ path: websocket.path, text: `site ${name} has mode client, which takes no links over WebSocket either` }];
  }
  return [];
}

/** Either a certificate of the bus or one of the operator. */
function checkTls(tls: LooseNode): Problem[] {
  if (typeof tls.value !== 'object' || tls.value === null) return [];
  const [hasNames, hasCert, hasKey] = ['names', 'cert', 'key'].map((key) => tls.get(key).value !== undefined);
  if (hasNames ? !hasCert && !hasKey : hasCert && hasKey) {
    if (!hasNames || tls.get('ca').value === undefined) return [];
  }
  return [
    { path: tls.path, text: 'takes either names (a certificate of the bus) or cert and key (and ca) of your own' },
  ];
}
