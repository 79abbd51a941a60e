/** Where a rendered configuration listens: the few lines this program wrote itself, read back. */
import { BusError } from '../errors.ts';

export interface ConfigAddresses {
  /** host:port of clients */
  listen: string;
  /** host:port of monitoring */
  monitor: string;
  logFile: string;
}

export function readConfigAddresses(config: string): ConfigAddresses {
  const value = (key: string): string => {
    const found = new RegExp(`^${key}: ("(?:[^"\\\\]|\\\\.)*")`, 'm').exec(config)?.[1];
    if (found === undefined) throw new BusError('E_INTERNAL', `the nats-server configuration has no ${key}`);
    return JSON.parse(found) as string;
  };
  return { listen: value('listen'), monitor: value('http'), logFile: value('log_file') };
}

/** host and port of `host:port` or `[v6]:port`; a wildcard host becomes loopback, since this is for dialling. */
export function splitAddress(address: string): { host: string; port: number } {
  const [, host, port] = /^(.*):(\d{1,5})$/.exec(address) ?? [];
  if (host === undefined || port === undefined)
    throw new BusError('E_CONFIG', `address ${JSON.stringify(address)}: use host:port`);
  const bare = host.replace(/^\[|\]$/g, '');
  return { host: bare === '' || bare === '0.0.0.0' ? '127.0.0.1' : bare === '::' ? '::1' : bare, port: Number(port) };
}
