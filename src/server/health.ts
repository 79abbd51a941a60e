/** Whether nats-server works: its client port accepts and /healthz says ok, JetStream's recovery included. */
import { get } from 'node:http';
import { connect } from 'node:net';
import { type ConfigAddresses, splitAddress } from './addresses.ts';

const answerMs = 1_000;

/** @param isAlone ask nothing that takes the other servers of its cluster */
export async function isHealthy(
  addresses: Pick<ConfigAddresses, 'listen' | 'monitor'>,
  isAlone = false,
): Promise<boolean> {
  const path = isAlone ? '/healthz?js-enabled-only=true' : '/healthz';
  return (await isHealthOk(addresses.monitor, path)) && (await isAccepting(addresses.listen));
}

function isHealthOk(monitor: string, path: string): Promise<boolean> {
  const { host, port } = splitAddress(monitor);
  return new Promise((resolve) => {
    const request = get({ host, port, path, timeout: answerMs, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}

function isAccepting(listen: string): Promise<boolean> {
  const { host, port } = splitAddress(listen);
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: answerMs });
    const done = (isUp: boolean): void => {
      socket.destroy();
      resolve(isUp);
    };
    socket
      .once('connect', () => done(true))
      .once('error', () => done(false))
      .once('timeout', () => done(false));
  });
}
