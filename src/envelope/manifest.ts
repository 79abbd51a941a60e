/**
 * The manifest: the origin's signed statement of what an envelope covers and who it is for. Transit and destination act
 * on nothing outside it; path and hop limit stand in the frame, which no security decision reads.
 *
 * Groups ascend and none stands twice, so a range has one terminal per group. Bad in any way: E_MANIFEST_BAD.
 */
import { ByteReader, ByteWriter } from './codec.ts';
import { type Flow, readFlow, writeFlow } from './flow.ts';
import { type PublicKeyLike, type SignFn, verifySignature } from './signature.ts';
import { context, FORMATS, ID_BYTES, MAX_ASSIGNMENTS, MAX_SIGNED_BYTES, SIGNATURE_BYTES } from './wire.ts';

interface Assignment {
  groupId: string;
  terminalId: string;
  /** each sequence from here to the floor was receipted by that terminal: what it lacks of them it has lost; 0: not known */
  since: number;
}

export interface Manifest {
  customerId: string;
  flow: Flow;
  /** first and last sequence of the range; what the envelope leaves out of it the origin will never send */
  first: number;
  last: number;
  /** up to here the origin needs no answer any more: the destination prunes its set */
  floor: number;
  /** version of the origin's snapshot when it assigned */
  snapshotVersion: number;
  /** 16 bytes: ties the manifest to its sealed envelope */
  envelopeId: Uint8Array;
  assignments: Assignment[];
}

/** Manifest bytes with the origin terminal's signature. @throws E_ENVELOPE_BAD when a field is out of range */
export function signManifest(manifest: Manifest, sign: SignFn, format = FORMATS.max): Buffer {
  const writer = new ByteWriter(256 + manifest.assignments.length * 32);
  writeManifest(writer.u8(format), manifest);
  const bytes = writer.finish();
  // what cannot be read back must not be signed
  decodeManifest(new ByteReader(bytes, 'manifest'));
  return Buffer.concat([bytes, sign(context.manifest, bytes)]);
}

/** Decodes and verifies with the key of the terminal that the manifest names as origin. @throws E_MANIFEST_BAD */
export function readManifest(
  bytes: Uint8Array,
  publicKeyOf: (originId: string) => PublicKeyLike | undefined,
): Manifest {
  const reader: ByteReader = new ByteReader(bytes, 'manifest', 'E_MANIFEST_BAD');
  if (bytes.length > MAX_SIGNED_BYTES) reader.fail('it is too long');
  const manifest = decodeManifest(reader);
  const signed = reader.soFar();
  const signature = reader.bytes(SIGNATURE_BYTES);
  reader.end();
  const key = publicKeyOf(manifest.flow.originId);
  if (key === undefined) reader.fail(`terminal ${manifest.flow.originId} is not known`);
  if (!verifySignature(context.manifest, signed, signature, key)) reader.fail('the signature does not verify');
  return manifest;
}

function writeManifest(writer: ByteWriter, manifest: Manifest): void {
  writer.uuid(manifest.customerId);
  writeFlow(writer, manifest.flow);
  writer.varint(manifest.first).varint(manifest.last).varint(manifest.floor).varint(manifest.snapshotVersion);
  writer.bytes(manifest.envelopeId).varint(manifest.assignments.length);
  const ascending = [...manifest.assignments].sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
  for (const { groupId, terminalId, since } of ascending) writer.uuid(groupId).uuid(terminalId).varint(since);
}

function decodeManifest(reader: ByteReader): Manifest {
  reader.format();
  const customerId = reader.uuid();
  const flow = readFlow(reader);
  const first = reader.varint();
  const last = reader.varint();
  if (first < 1 || last < first) reader.fail(`${first} to ${last} is not a range`);
  const floor = reader.varint();
  const snapshotVersion = reader.varint();
  const envelopeId = Buffer.from(reader.bytes(ID_BYTES));
  const assignments = readAssignments(reader);
  return { customerId, flow, first, last, floor, snapshotVersion, envelopeId, assignments };
}

function readAssignments(reader: ByteReader): Assignment[] {
  const count = reader.varint(MAX_ASSIGNMENTS);
  if (count === 0) reader.fail('it is for nobody');
  const assignments: Assignment[] = [];
  let previous = '';
  for (let index = 0; index < count; index++) {
    const assignment = { groupId: reader.uuid(), terminalId: reader.uuid(), since: reader.varint() };
    if (assignment.groupId <= previous) reader.fail('its groups do not ascend');
    assignments.push(assignment);
    previous = assignment.groupId;
  }
  return assignments;
}
