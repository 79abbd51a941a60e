/** Series of the control plane. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { MethodName } from '../api/methods.ts';

export interface ControlMetrics {
  onRequest(method: MethodName, code: string, durationMs: number): void;
  setVersion(version: number): void;
  setReplicas(count: number): void;
}

export function createControlMetrics(registry: Registry): ControlMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: 'mbus_control_requests_total',
    help: 'Requests by method and outcome: ok or an error code',
    labelNames: ['method', 'code'],
    registers,
  });
  const seconds = new Histogram({
    name: 'mbus_control_request_seconds',
    help: 'Time from the arrival of a request to its answer',
    labelNames: ['method'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const version = new Gauge({ name: 'mbus_bus_version', help: 'Revision of the bus', registers });
  const replicas = new Gauge({ name: 'mbus_control_replicas', help: 'Living control replicas', registers });
  return {
    onRequest: (method, code, durationMs) => {
      requests.inc({ method, code });
      seconds.observe({ method }, durationMs / 1000);
    },
    setVersion: (value) => version.set(value),
    setReplicas: (count) => replicas.set(count),
  };
}
