/** site.json: what a site knows of itself before it has heard from anybody. No secrets; written when the site joins. */
import { z } from 'zod';

const controlSchema = z.strictObject({
  /** host:port of every control leaf listener */
  leafUrls: z.array(z.string()),
  signKey: z.string(),
  sealKey: z.string(),
  caPem: z.string(),
});

/** The second and third nats-server of a site that has three. */
const furtherServerSchema = z.strictObject({
  listen: z.string(),
  leafListen: z.string().nullable(),
  websocketListen: z.string().optional(),
  monitor: z.string(),
  /** host:port where the others of the site dial it */
  clusterListen: z.string(),
});

export const siteFileSchema = z.strictObject({
  format: z.literal(1),
  busId: z.uuid(),
  siteId: z.uuid(),
  site: z.string(),
  /** host:port where applications connect */
  listen: z.string(),
  /** host:port where other sites' links come in; null in client mode */
  leafListen: z.string().nullable(),
  /** host:port where links come in over WebSocket, when the bus declares it */
  websocketListen: z.string().optional(),
  /** http://host:port or http://user:password@host:port: what this site dials goes through it; wins for the control link */
  proxy: z.string().optional(),
  /** host:port of nats-server's monitoring, on loopback */
  monitor: z.string(),
  /** user token of the control link, for the key in keys/control.nk */
  controlUserJwt: z.string(),
  control: controlSchema,
  /** how the control plane is dialled; ws: its WebSocket listeners */
  controlTransport: z.enum(['tcp', 'ws']).optional(),
  /** host:port, or wss://host:port, to dial instead of the control plane's own listeners (NAT) */
  controlVia: z.array(z.string()).min(1).optional(),
  /** what this machine does where the bus leaves it open; absent: power where links come in */
  durability: z.enum(['process', 'power']).optional(),
  /** bound of all streams together, bytes; absent: the disk is the bound */
  maxStoreBytes: z.number().int().positive().optional(),
  /** at a site with three nats-servers: where the first takes the others' connections, and the others themselves */
  cluster: z.strictObject({ listen: z.string(), others: z.array(furtherServerSchema).length(2) }).optional(),
});

export type SiteFile = z.output<typeof siteFileSchema>;
export type ControlInfo = z.output<typeof controlSchema>;
