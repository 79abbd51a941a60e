/** What keeps other sites' pages out of the console, and foreign script out of its page. */
import type { IncomingHttpHeaders } from 'node:http';
import { BusError } from '../errors.ts';

/** Only the page's own files run or are shown; what would parse text as markup is refused by the browser itself. */
const contentPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

export function safetyHeaders(isSecure: boolean): Record<string, string> {
  return {
    'content-security-policy': contentPolicy,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
    ...(isSecure && { 'strict-transport-security': 'max-age=31536000' }),
  };
}

/**
 * E_CONSOLE_FOREIGN for what another site's page may have sent. Browsers say where a request comes from in headers that a page
 * cannot set; what changes something must say so, and in a form that no plain HTML form has.
 */
export function refuseForeign(method: string, headers: IncomingHttpHeaders, ownUrl: string): void {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw foreign(`sent by a page of another site`);
  const { origin, host } = headers;
  if (origin !== undefined && origin !== new URL(ownUrl).origin && hostOf(origin) !== host)
    throw foreign('its origin is another site');
  if (method !== 'POST') return;
  if (origin === undefined) throw foreign('it does not say which page it comes from (Origin)');
  if (headers['content-type'] !== 'application/json') throw foreign('its content type is not application/json');
}

function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}

function foreign(why: string): BusError {
  return new BusError('E_CONSOLE_FOREIGN', `refused: ${why}`);
}
