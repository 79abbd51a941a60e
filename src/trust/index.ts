/** Trust: NATS keys and tokens, X.509, files that hold secrets. The only door of this folder. */
export * from './jwt.ts';
export * from './nkeys.ts';
export * from './secret-file.ts';
export * from './x509.ts';
