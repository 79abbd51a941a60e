/**
 * One request frame for all callers, and its answer. Between caller and control plane lie other sites' servers, which
 * may read, alter, replay and answer as they like; with this frame they achieve nothing but silence.
 *
 *   request  version 1 | enc 32 | AES-256-GCM( flag 1 | body | signature 64 )     HPKE base mode to the sealKey
 *   answer   version 1 | nonce 12 | AES-256-GCM( flag 1 | body | signature 64 )   key exported from that HPKE context
 *
 * The caller's Ed25519 key signs enc, flag and body; the control plane's signs the request's hash, flag and body. The
 * AAD of a request names bus, caller branch and method. flag 1: body is deflated. Anything that does not open is
 * E_REQUEST_BAD or E_ANSWER_BAD and says no more.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { z } from 'zod';
import { signatureInput } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import { recipientContext, senderContext } from '../keys/index.ts';
import { type CallerKey, type ControlKeys, type ControlPublicKeys, isSignedBy } from './control-keys.ts';

/** Major version of the API: first byte of a request and of its answer. */
export const apiVersion = 1;
/** versions that a control plane speaks, this one and the one before it; it is upgraded before the sites */
export const spokenVersions = { min: 1, max: 1 };
/** code of the plain answer to a request in another version; with it goes `<min> to <max>` */
export const versionNotSpoken = 505;
const encBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const signatureBytes = 64;
const answerKeyContext = 'mbus control answer key v1';
const hpkeInfo = Buffer.from('mbus control request v1');
const requestContext = 'mbus control request signature v1';
const answerContext = 'mbus control answer signature v1';
/** a body longer than this is deflated, bytes */
const deflateAbove = 2_048;
/** no body inflates to more, bytes */
const largestBody = 32 * 1024 * 1024;

/** Where a request is meant for; whoever moves it elsewhere makes it unreadable. */
export interface RequestAddress {
  busId: string;
  callerId: string;
  method: string;
}

const requestBodySchema = z.strictObject({
  /** caller's Ed25519 public key */
  key: z.string().max(64),
  /** 16 random bytes, base64url */
  nonce: z.string().length(22),
  /** the control plane's time as the caller estimates it, ms */
  atMs: z.number(),
  request: z.unknown(),
});

export interface OpenedRequest extends z.output<typeof requestBodySchema> {
  answerWith: AnswerKey;
}

/** What an answer to one request is made with, or opened with. */
export interface AnswerKey {
  key: Buffer;
  requestHash: Buffer;
}

export interface SealedRequest {
  frame: Buffer;
  answerKey: AnswerKey;
  nonce: string;
}

/** Whether a frame is in a version of the API that is spoken here. */
export function isSpoken(frame: Uint8Array): boolean {
  const [version = 0] = frame;
  return version >= spokenVersions.min && version <= spokenVersions.max;
}

/** Seals and signs a request; a frame may be sent again as it is. */
export async function sealRequest(
  address: RequestAddress,
  request: unknown,
  by: CallerKey,
  options: { control: ControlPublicKeys; atMs: number },
): Promise<SealedRequest> {
  const nonce = randomBytes(16).toString('base64url');
  const sender = senderContext(Buffer.from(options.control.sealKey, 'base64url'), hpkeInfo);
  const { enc } = sender;
  const body = pack({ key: by.publicKey, nonce, atMs: options.atMs, request });
  const signature = by.sign(signatureInput(requestContext, Buffer.concat([enc, body])));
  const sealed = sender.seal(Buffer.concat([body, signature]), addressBytes(address));
  const frame = Buffer.concat([Buffer.of(apiVersion), enc, sealed]);
  const key = sender.exportSecret(answerKeyContext);
  return { frame, nonce, answerKey: { key, requestHash: hashOf(frame) } };
}

/** E_REQUEST_BAD unless it was sealed to us for this address and signed by the key it names. */
export async function openRequest(
  address: RequestAddress,
  frame: Uint8Array,
  keys: ControlKeys,
): Promise<OpenedRequest> {
  try {
    if (!isSpoken(frame) || frame.length < 1 + encBytes + tagBytes + signatureBytes) throw refused();
    const enc = frame.subarray(1, 1 + encBytes);
    const recipient = recipientContext(keys.sealPrivate, enc, hpkeInfo);
    const plain = recipient.open(frame.subarray(1 + encBytes), addressBytes(address));
    const { body, signature } = split(plain);
    const parsed = requestBodySchema.parse(unpack(body));
    if (!isSignedBy(parsed.key, requestContext, Buffer.concat([enc, body]), signature)) throw refused();
    const key = recipient.exportSecret(answerKeyContext);
    return { ...parsed, answerWith: { key, requestHash: hashOf(frame) } };
  } catch (cause) {
    throw new BusError('E_REQUEST_BAD', 'a request does not open, or is not signed by the key it names', { cause });
  }
}

/** The nonce is random, because a repeated request may get another answer under the same key. */
export function sealAnswer(answer: unknown, to: AnswerKey, keys: ControlKeys): Buffer {
  const body = pack(answer);
  const signature = keys.sign(answerContext, Buffer.concat([to.requestHash, body]));
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', to.key, nonce, { authTagLength: tagBytes });
  const sealed = Buffer.concat([cipher.update(body), cipher.update(signature), cipher.final()]);
  return Buffer.concat([Buffer.of(apiVersion), nonce, sealed, cipher.getAuthTag()]);
}

/** E_ANSWER_BAD unless this control plane made it for this very request. */
export function openAnswer(frame: Uint8Array, of: AnswerKey, control: ControlPublicKeys): unknown {
  try {
    if (!isSpoken(frame) || frame.length < 1 + nonceBytes + tagBytes + signatureBytes) throw refused();
    const nonce = frame.subarray(1, 1 + nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', of.key, nonce, { authTagLength: tagBytes });
    decipher.setAuthTag(frame.subarray(-tagBytes));
    const sealed = frame.subarray(1 + nonceBytes, -tagBytes);
    const { body, signature } = split(Buffer.concat([decipher.update(sealed), decipher.final()]));
    const signed = Buffer.concat([of.requestHash, body]);
    if (!isSignedBy(control.signKey, answerContext, signed, signature)) throw refused();
    return unpack(body);
  } catch (cause) {
    throw new BusError('E_ANSWER_BAD', 'an answer was not made by this control plane for this request', { cause });
  }
}

function refused(): BusError {
  return new BusError('E_REQUEST_BAD', 'refused');
}

function addressBytes({ busId, callerId, method }: RequestAddress): Buffer {
  return Buffer.from(JSON.stringify([busId, callerId, method]));
}

function hashOf(frame: Uint8Array): Buffer {
  return createHash('sha256').update(frame).digest();
}

function pack(value: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(value));
  return text.length > deflateAbove
    ? Buffer.concat([Buffer.of(1), deflateRawSync(text)])
    : Buffer.concat([Buffer.of(0), text]);
}

function unpack(body: Buffer): unknown {
  const text = body.subarray(1);
  const isDeflated = body[0] === 1;
  if (!isDeflated && body[0] !== 0) throw refused();
  return JSON.parse((isDeflated ? inflateRawSync(text, { maxOutputLength: largestBody }) : text).toString('utf8'));
}

function split(plain: Buffer): { body: Buffer; signature: Buffer } {
  return { body: plain.subarray(0, -signatureBytes), signature: plain.subarray(-signatureBytes) };
}
