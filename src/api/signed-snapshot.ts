/** Snapshots as they travel and as they lie on disk: the exact JSON text and the control plane's signature over it. */
import { BusError } from '../errors.ts';
import { type ControlKeys, isSignedBy } from './control-keys.ts';
import { type Snapshot, snapshotSchema } from './snapshot.ts';
import { parseKnown } from './tolerant.ts';

const context = 'mbus snapshot v1';

export interface SignedSnapshot {
  text: string;
  /** Ed25519, base64url */
  signature: string;
}

export function signSnapshot(snapshot: Snapshot, keys: Pick<ControlKeys, 'sign'>): SignedSnapshot {
  const text = JSON.stringify(snapshot);
  return { text, signature: Buffer.from(keys.sign(context, Buffer.from(text))).toString('base64url') };
}

/** E_ANSWER_BAD unless `signKey` signed this text, E_VERSION_APART unless it is a snapshot of a form we know. */
export function readSnapshot(signed: SignedSnapshot, signKey: string): Snapshot {
  const signature = Buffer.from(signed.signature, 'base64url');
  if (!isSignedBy(signKey, context, Buffer.from(signed.text), signature)) {
    throw new BusError('E_ANSWER_BAD', 'a snapshot is not signed by this control plane');
  }
  const parsed = parseKnown(snapshotSchema, JSON.parse(signed.text));
  if (parsed.success) return parsed.data;
  throw new BusError(
    'E_VERSION_APART',
    "a snapshot has a form this version does not know: use the control plane's version of mbus",
    {
      cause: parsed.error,
    },
  );
}
