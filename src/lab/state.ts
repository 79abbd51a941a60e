/**
 * What a lab is, on disk: DIR/lab.json (0600) with the declared file and every port that was given out. Written when the lab
 * starts and when a changed file is applied. Whether its processes live is asked of /proc, never of this file.
 *
 *   DIR/lab.json        this          DIR/control/         the control plane      DIR/processes/NAME.json   pids
 *   DIR/links.json      the daemon    DIR/sites/SITE/      a site                 DIR/logs/NAME.log
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { BusError } from '../errors.ts';

const port = z.number().int().min(1).max(65_535);

const partPortsSchema = z.strictObject({
  /** clients of its nats-server */
  client: port,
  /** leaf listener, used in server mode */
  leaf: port,
  /** WebSocket listener, used where the file declares one */
  websocket: port,
  /** nats-server's own monitoring */
  server: port,
  /** the daemon's /metrics and /readyz */
  monitor: port,
});

/** Of the second and third nats-server of a site, and of what they speak among themselves. */
const serverPortsSchema = partPortsSchema.omit({ monitor: true }).extend({ cluster: port });

const sitePortsSchema = partPortsSchema.extend({
  /** the same of its further sidecars, where it has several */
  standbys: z.array(port).default([]),
  /** where it has three nats-servers: cluster port of the first, and the other two */
  cluster: port.optional(),
  servers: z.array(serverPortsSchema).default([]),
});

const labStateSchema = z.strictObject({
  format: z.literal(1),
  /** the declared file's text, as last applied, and its name for messages */
  text: z.string(),
  fileName: z.string(),
  control: partPortsSchema.extend({ console: port }),
  sites: z.record(z.string(), sitePortsSchema),
});

export type PartPorts = z.output<typeof partPortsSchema>;
export type ServerPorts = z.output<typeof serverPortsSchema>;
export type SitePorts = z.output<typeof sitePortsSchema>;
export type LabState = z.output<typeof labStateSchema>;

export async function hasLab(dir: string): Promise<boolean> {
  return (await readFile(join(dir, 'lab.json')).catch(() => undefined)) !== undefined;
}

/** E_LAB_GONE when no lab was started in `dir`. */
export async function readLab(dir: string): Promise<LabState> {
  const text = await readFile(join(dir, 'lab.json'), 'utf8').catch((cause: unknown) => {
    throw new BusError('E_LAB_GONE', `${dir}: no lab was started here`, { cause });
  });
  return labStateSchema.parse(JSON.parse(text));
}

export async function writeLab(dir: string, state: LabState): Promise<void> {
  const path = join(dir, 'lab.json');
  await writeFile(`${path}.new`, JSON.stringify(state, null, 2), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

export function controlDir(dir: string): string {
  return join(dir, 'control');
}

export function siteDir(dir: string, site: string): string {
  return join(dir, 'sites', site);
}
