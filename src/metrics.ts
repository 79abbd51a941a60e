/**
 * Health and metrics of a daemon: GET /metrics (Prometheus text), /healthz (the process lives), /readyz (it works,
 * with the reasons when it does not), /status (the daemon's own view as JSON). Listens on loopback unless told otherwise.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { BusError } from './errors.ts';

export interface HealthSource {
  /** empty when ready, else one plain sentence per reason */
  notReady(): string[];
  /** links that carry nothing now, a plain sentence each; they do not keep the daemon from being ready */
  linksDown?(): string[];
  status(): unknown;
}

export interface MonitoringServer {
  readonly url: string;
  close(): Promise<void>;
}

/** A registry with the process's own metrics; every series carries `labels`. */
export function createMetrics(labels: Record<string, string>): Registry {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Serves the four pages; port 0 takes a free one. */
export async function serveMonitoring(
  registry: Registry,
  health: HealthSource,
  address: { host: string; port: number },
): Promise<MonitoringServer> {
  const server = createServer(async (request, response) => {
    const send = (status: number, type: string, body: string): void => {
      response
        .writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
        .end(body);
    };
    switch (request.method === 'GET' ? request.url : '') {
      case '/metrics':
        return send(200, registry.contentType, await registry.metrics());
      case '/healthz':
        return send(200, 'text/plain', 'ok\n');
      case '/readyz': {
        const reasons = health.notReady();
        return send(
          reasons.length === 0 ? 200 : 503,
          'application/json',
          JSON.stringify({ ready: reasons.length === 0, reasons, linksDown: health.linksDown?.() ?? [] }),
        );
      }
      case '/status':
        return send(200, 'application/json', JSON.stringify(health.status()));
      default:
        return send(404, 'text/plain', 'not found: try /metrics /healthz /readyz /status\n');
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const { host, port } = address;
      if (cause.code !== 'EADDRINUSE') return reject(cause);
      reject(new BusError('E_PORT_TAKEN', `monitoring: ${host}:${port} is taken`, { cause, details: { host, port } }));
    });
    server.listen(address.port, address.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${address.host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
