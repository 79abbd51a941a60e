/**
 * What the bench asks of everybody it measures: the bus, and what a user would pick instead. Two brokers with a link between
 * them, durable on both sides, TLS on the link, and a proxy in it that shapes and cuts for all of them alike.
 */
import type { ShapeOptions } from '../src/lab/index.ts';

/** How one contender is asked to carry one topic. */
export interface RouteOptions {
  topic: string;
  /** groups at the far side, each of which gets everything; 1 by default */
  groups?: number;
}

/** A way from a source at the near side to groups at the far side. */
export interface Route {
  /** Resolves when the near broker has stored it. */
  publish(payload: Buffer): Promise<unknown>;
  /** Publishes many as fast as the broker takes them, each stored when this resolves. */
  fill(payloads: Iterable<Buffer>): Promise<void>;
  /** nothing crosses until start() */
  hold(): Promise<void>;
  start(): Promise<void>;
  /** messages that the far side holds and nobody has taken: the group that has the fewest */
  arrived(): Promise<number>;
  /** Hands over what the far side holds and what still comes, acknowledged, until the function it resolves with is called. */
  listen(take: (payload: Uint8Array, group: number) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

export interface Contender {
  name: string;
  /** its topics are declared beforehand and stay; the others make one for each route */
  isDeclared?: boolean;
  route(options: RouteOptions): Promise<Route>;
  /** of the link; an empty shape takes it away */
  shape(shape: ShapeOptions): Promise<void>;
  cut(): Promise<void>;
  restore(): Promise<void>;
  /** that passed the link so far, both ways */
  linkBytes(): Promise<number>;
  stop(): Promise<void>;
}
