/** Errors of servers, sites, trust and the lab: a part of the registry in errors.ts. */
import type { ErrorEntry } from '../errors.ts';

export const siteErrors = {
  // server and site
  E_NATS_SERVER_MISSING: {
    disposition: 'fatal',
    summary: 'No nats-server of a usable version was found.',
    remedy: 'Install nats-server 2.15.1 or newer, or set NATS_SERVER to its path.',
  },
  E_NATS_SERVER_OLD: {
    disposition: 'fatal',
    summary: 'The nats-server named by NATS_SERVER is older than the bus can trust.',
    remedy: 'Use nats-server 2.15.1 or newer.',
  },
  E_NATS_SERVER_FAILED: {
    disposition: 'retry',
    summary: 'nats-server did not start or did not become healthy.',
    remedy: 'Read the lines of its log that are quoted; it is started again.',
  },
  E_PORT_TAKEN: {
    disposition: 'fatal',
    summary: 'Another program listens on a port this part was told to use.',
    remedy: 'Stop that program, or give this part another port.',
  },
  E_SERVER_AWAY: {
    disposition: 'retry',
    summary: 'The nats-server of this site does not answer.',
    remedy: 'Check that it runs; what is under way waits in its streams.',
  },
  E_SERVER_REFUSED: {
    disposition: 'park',
    summary: 'nats-server refused an account or a configuration.',
    remedy: 'The message quotes its reason; the rest of the site goes on.',
  },
  E_NOT_DURABLE: {
    disposition: 'park',
    summary: 'A site of durability power acknowledges something before it is on disk.',
    remedy: 'Restart nats-server of the site, or remove the stream that is named: the bus never makes one like that.',
  },
  E_SERVER_RESTART: {
    disposition: 'park',
    summary: 'A changed setting of a site needs a restart of its nats-server.',
    remedy: 'Restart nats-server of that site at a quiet moment; everything else is in place already.',
  },
  E_SITE_DIR: {
    disposition: 'fatal',
    summary: 'The directory is not that of a joined site, or it is damaged.',
    remedy: 'Run mbus site join for this directory, or name the right one.',
  },
  E_SIDECAR_RUNNING: {
    disposition: 'fatal',
    summary: 'A sidecar already runs for this site.',
    remedy: 'Stop the other one first; one site has one sidecar.',
  },
  E_NOT_HERE: {
    disposition: 'retry',
    summary: 'This site knows nothing of the customer or link that was named.',
    remedy: 'It follows with the next snapshot; check names when it does not.',
  },
  // trust
  E_KEY_FILE: {
    disposition: 'fatal',
    summary: 'A key file does not hold the key it should.',
    remedy: 'Restore the file from its backup, or join the site again.',
  },
  E_CERTIFICATE: {
    disposition: 'reject',
    summary: 'A certificate is not acceptable.',
    remedy: "Renew the certificate, and check the machine's clock.",
  },
  E_APP_CERTIFICATE: {
    disposition: 'park',
    summary: 'The certificate that a site shows its applications is no good, or ends soon.',
    remedy:
      'Put good files where the site’s `tls` says: they are taken within seconds, and the last good ones serve meanwhile.',
  },
  E_APP_CREDENTIAL: {
    disposition: 'park',
    summary: 'An application is connected with a credential that ends soon.',
    remedy:
      'Let it read its .creds file when it connects again, or give it a copy of the new one: `mbus app creds` at its site.',
  },
  E_CSR: {
    disposition: 'reject',
    summary: 'A certificate request is not acceptable.',
    remedy: 'Make a new request with this version of mbus.',
  },
  // lab
  E_LAB_RUNNING: {
    disposition: 'reject',
    summary: 'The directory holds a lab that is running.',
    remedy: 'Use it, stop it with `mbus lab down --dir DIR`, or give another --dir.',
  },
  E_LAB_GONE: {
    disposition: 'reject',
    summary: 'The directory holds no running lab.',
    remedy: 'Clean up with `mbus lab down --dir DIR` and start one with `mbus lab up FILE --dir DIR`.',
  },
  E_LAB_START: {
    disposition: 'reject',
    summary: 'A part of the lab did not become ready.',
    remedy: 'Read the lines of its log that follow; --keep leaves the whole directory behind.',
  },
  E_LAB_NOUN: {
    disposition: 'reject',
    summary: 'The lab has no such site, link or part.',
    remedy: 'Look at the names in `mbus lab status --dir DIR`.',
  },
} as const satisfies Record<string, ErrorEntry>;
