/** The edge to the NATS client library: raw header blocks, its errors made ours, and when it dials again. */
export * from './direct-get.ts';
export * from './errors.ts';
export * from './late-write.ts';
export * from './raw-headers.ts';
export * from './raw-publish.ts';
export * from './redial.ts';
export * from './replicas.ts';
export * from './time.ts';
