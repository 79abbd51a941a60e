/**
 * The admin's side: the identity that mbus init made in the control directory (admin.json, 0600) and that the first
 * start of the control plane completed with a credential and addresses.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { BusError } from '../errors.ts';
import { readFileIfThere, writeFileAtomic } from '../trust/index.ts';
import { createControlClient } from './client.ts';
import { connectControl } from './connect.ts';
import { callerKeyFromSeed } from './control-keys.ts';
import type { ControlClient } from './methods.ts';

const adminFileSchema = z.strictObject({
  format: z.literal(1),
  id: z.uuid(),
  /** Ed25519 seed, base64url */
  seed: z.string(),
  /** NATS user seed of account CTL */
  userSeed: z.string(),
  /** null until the control plane has run once */
  control: z
    .strictObject({
      busId: z.uuid(),
      urls: z.array(z.string()).min(1),
      caPem: z.string(),
      signKey: z.string(),
      sealKey: z.string(),
      userJwt: z.string(),
    })
    .nullable(),
});

export type AdminFile = z.output<typeof adminFileSchema>;

/** E_CONTROL_DIR when there is none. */
export async function readAdminFile(dir: string): Promise<AdminFile> {
  const path = join(dir, 'admin.json');
  const text = await readFileIfThere(path);
  if (!text)
    throw new BusError(
      'E_CONTROL_DIR',
      `${dir} is no control directory: run mbus init --dir ${dir}, or name the right one`,
    );
  try {
    return adminFileSchema.parse(JSON.parse(text.toString('utf8')));
  } catch (cause) {
    throw new BusError('E_CONTROL_DIR', `${path} is damaged`, { cause });
  }
}

export async function writeAdminFile(dir: string, admin: AdminFile): Promise<void> {
  await writeFileAtomic(join(dir, 'admin.json'), `${JSON.stringify(admin, null, 2)}\n`);
}

/** A client with all rights of the bus. E_CONTROL_DIR, E_CONTROL_AWAY. */
export async function createAdminClient(dir: string): Promise<ControlClient> {
  const { id, seed, userSeed, control } = await readAdminFile(dir);
  if (!control) {
    throw new BusError(
      'E_CONTROL_AWAY',
      `the control plane of ${dir} has never run: start it with mbus control run --dir ${dir}`,
    );
  }
  const nc = await connectControl({ ...control, userSeed, name: 'mbus admin' });
  return createControlClient({
    nc,
    busId: control.busId,
    callerId: id,
    caller: callerKeyFromSeed(Buffer.from(seed, 'base64url')),
    control,
    ownsConnection: true,
  });
}
