/**
 * Fills the templates of nats-config/. `{{name}}` becomes a quoted value, `{{> name}}` a part that is rendered already.
 * A name without a value, a value without a name and a control character are refused: nothing reaches the
 * configuration that was not meant to. nats-server reads JSON as a subset of its own syntax, so values are JSON.
 */
import { readFileSync } from 'node:fs';
import { BusError } from '../errors.ts';

export type ConfigValue = string | number | boolean | ConfigValue[] | { [key: string]: ConfigValue };

const directory = new URL('../../nats-config/', import.meta.url);
const packagedDirectory = new URL('../../../nats-config/', import.meta.url);

/** The text of a template; from dist/ the folder lies one level higher. */
export function readTemplate(name: string): string {
  const at = import.meta.url.includes('/dist/') ? packagedDirectory : directory;
  return readFileSync(new URL(`${name}.conf.tpl`, at), 'utf8');
}

export function fillTemplate(
  template: string,
  values: Record<string, ConfigValue>,
  parts: Record<string, string> = {},
): string {
  const unused = new Set([...Object.keys(values), ...Object.keys(parts).map((name) => `> ${name}`)]);
  const text = template.replace(/\{\{([^{}]*)\}\}/g, (_, key: string) => {
    const part = key.startsWith('> ') ? parts[key.slice(2)] : undefined;
    const value = values[key];
    if (part === undefined && value === undefined)
      throw new BusError('E_INTERNAL', `template asks for ${key}, which has no value`);
    unused.delete(key);
    return part ?? quoteValue(value as ConfigValue);
  });
  if (unused.size > 0) throw new BusError('E_INTERNAL', `template does not use ${[...unused].join(', ')}`);
  return text;
}

function quoteValue(value: ConfigValue): string {
  const text = JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'string' && /[\u0000-\u001f\u007f]/.test(inner)) {
      throw new BusError('E_INTERNAL', `a configuration value holds a control character: ${JSON.stringify(inner)}`);
    }
    if (typeof inner === 'number' && !Number.isSafeInteger(inner))
      throw new BusError('E_INTERNAL', `not a whole number: ${inner}`);
    return inner;
  });
  return text;
}
