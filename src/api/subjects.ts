/**
 * Subjects of the control API in account CTL. A caller's credential allows its own branch only; what it is allowed to do
 * is decided by the signature inside a request, never by the subject.
 */
import type { MethodName } from './methods.ts';

const root = 'mb.ctl';

export const noticeSubject = `${root}.notice`;

export function requestSubject(callerId: string, method: MethodName): string {
  return `${root}.${callerId}.${method}`;
}

/** What the service listens on for one method. */
export function endpointSubject(method: MethodName): string {
  return `${root}.*.${method}`;
}

/** The caller's branch in a request subject. */
export function callerOf(subject: string): string {
  return subject.split('.')[2] ?? '';
}

export function replyPrefix(callerId: string): string {
  return `${root}.${callerId}.r`;
}

/** Rights of a caller's NATS user in account CTL. */
export function callerRights(callerId: string, method?: MethodName): { publish: string[]; subscribe: string[] } {
  return {
    publish: [method ? requestSubject(callerId, method) : `${root}.${callerId}.>`],
    subscribe: [`${replyPrefix(callerId)}.>`, noticeSubject],
  };
}
