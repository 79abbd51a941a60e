/**
 * The file of a backup: a line of JSON that says what it is, then AES-256-GCM chunks of at most 64 KiB. The key is derived
 * from the backup key and the file's own salt; a chunk's nonce is its number and whether it is the last one, and the first
 * line is authenticated with each: altered, swapped, cut or appended bytes are refused (the STREAM construction, Hoang et al. 2015).
 *
 *   {"format":"mbus-backup-1","createdAt":…,"keyId":…,"salt":…}\n   then   (length u32)(ciphertext)(tag 16) …
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { BusError } from '../errors.ts';

const headSchema = z.strictObject({
  format: z.literal('mbus-backup-1'),
  createdAt: z.iso.datetime(),
  /** fingerprint of the backup key */
  keyId: z.string(),
  salt: z.base64url(),
});

export type BackupHead = z.output<typeof headSchema>;

const chunkBytes = 64 * 1024;
const tagBytes = 16;
const lengthBytes = 4;
const maxHeadBytes = 4_096;

/** Tells keys apart, and nothing of them. */
export function backupKeyId(key: Uint8Array): string {
  return createHash('sha256').update('mbus backup key id v1').update(key).digest('hex').slice(0, 16);
}

/** The bytes of the file, from those of its content. */
export async function* sealFile(
  content: AsyncIterable<Uint8Array>,
  key: Uint8Array,
  createdAt: string,
): AsyncGenerator<Buffer> {
  const salt = randomBytes(32);
  const head: BackupHead = {
    format: 'mbus-backup-1',
    createdAt,
    keyId: backupKeyId(key),
    salt: salt.toString('base64url'),
  };
  const line = Buffer.from(`${JSON.stringify(head)}\n`);
  const chunkKey = deriveKey(key, salt);
  yield line;
  let held = Buffer.alloc(0);
  let number = 0;
  for await (const part of content) {
    held = Buffer.concat([held, part]);
    for (; held.length > chunkBytes; held = held.subarray(chunkBytes)) {
      yield sealChunk(chunkKey, line, { number, isLast: false }, held.subarray(0, chunkBytes));
      number += 1;
    }
  }
  yield sealChunk(chunkKey, line, { number, isLast: true }, held);
}

/** The first line alone; it is not yet authenticated. E_BACKUP_BAD */
export function readHead(file: Buffer): { head: BackupHead; line: Buffer } {
  const end = file.subarray(0, maxHeadBytes).indexOf(0x0a);
  const line = file.subarray(0, end + 1);
  try {
    return { head: headSchema.parse(JSON.parse(line.toString('utf8'))), line };
  } catch (cause) {
    throw new BusError('E_BACKUP_BAD', 'the file is no backup of mbus', { cause });
  }
}

/** The content, each chunk verified before it is given out. E_BACKUP_BAD */
export function* openFile(file: Buffer, key: Uint8Array): Generator<Buffer> {
  const { head, line } = readHead(file);
  const keyId = backupKeyId(key);
  if (keyId !== head.keyId)
    throw new BusError('E_BACKUP_BAD', `the backup was made with backup key ${head.keyId}, this one is ${keyId}`);
  const chunkKey = deriveKey(key, Buffer.from(head.salt, 'base64url'));
  let at = line.length;
  for (let number = 0; ; number += 1) {
    const size = at + lengthBytes <= file.length ? file.readUInt32BE(at) : -1;
    const end = at + lengthBytes + size;
    if (size < tagBytes || size > chunkBytes + tagBytes || end > file.length)
      throw new BusError('E_BACKUP_BAD', `the backup ends in the middle of chunk ${number}: it was cut short`);
    const isLast = end === file.length;
    yield openChunk(chunkKey, line, { number, isLast }, file.subarray(at + lengthBytes, end));
    if (isLast) return;
    at = end;
  }
}

interface Place {
  number: number;
  isLast: boolean;
}

function sealChunk(key: Buffer, head: Buffer, place: Place, content: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(place), { authTagLength: tagBytes });
  cipher.setAAD(head);
  const sealed = Buffer.concat([cipher.update(content), cipher.final(), cipher.getAuthTag()]);
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(sealed.length);
  return Buffer.concat([length, sealed]);
}

function openChunk(key: Buffer, head: Buffer, place: Place, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(place), { authTagLength: tagBytes });
  decipher.setAAD(head);
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]);
  } catch (cause) {
    const text = `chunk ${place.number} of the backup does not verify: it was altered or cut short`;
    throw new BusError('E_BACKUP_BAD', text, { cause });
  }
}

function nonceOf({ number, isLast }: Place): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(number, 7);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

function deriveKey(key: Uint8Array, salt: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, 'mbus backup v1', 32));
}
