/** What seal, open and signatures ask of node:crypto, without doing it: bytes pass unchanged and every signature holds. */
import type { KeyObject } from 'node:crypto';

export { createPublicKey } from 'node:crypto';

const none = Buffer.alloc(0);
const zeros = (size: number): Buffer => Buffer.alloc(size);
const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const cipher = {
  setAAD: (): void => undefined,
  update: (bytes: Uint8Array): Buffer => asBuffer(bytes),
  final: (): Buffer => none,
  getAuthTag: (): Buffer => zeros(16),
  setAuthTag: (): void => undefined,
};

export function createCipheriv(): typeof cipher {
  return cipher;
}

export function createDecipheriv(): typeof cipher {
  return cipher;
}

export function createHash() {
  const hash = { update: () => hash, digest: () => zeros(32) };
  return hash;
}

export function timingSafeEqual(): boolean {
  return true;
}

export function sign(_algorithm: null, _bytes: Uint8Array, _key: KeyObject): Buffer {
  return zeros(64);
}

export function verify(): boolean {
  return true;
}
