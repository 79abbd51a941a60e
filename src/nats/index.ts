/** The edge to the NATS client library: raw header blocks, and its errors made ours. */
export * from './direct-get.ts';
export * from './errors.ts';
export * from './late-write.ts';
export * from './raw-headers.ts';
