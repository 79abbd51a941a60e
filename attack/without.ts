/**
 * Builds with one defence taken out, so that each case can be shown to fail: `--without NAME` runs the same attacks against a
 * copy of the source with a few lines replaced. The product has no switch for any of it.
 */
import type { Break } from '../campaign/broken.ts';

export type DefenceName = keyof typeof defences;

export const defences = {
  'app-subscribe-rights': {
    what: 'an application may subscribe to everything in its account',
    file: 'src/site/permissions.ts',
    edits: [
      {
        from: ": ['_INBOX.>'];",
        to: ": ['_INBOX.>', '>'];",
      },
    ],
  },
  'app-publish-rights': {
    what: 'an application may publish everything in its account',
    file: 'src/site/permissions.ts',
    edits: [
      {
        from: 'publish: { allow: orNothing([...publish, ...consume]), deny: deniedToApps },',
        to: "publish: { allow: ['>', ...orNothing([...publish, ...consume])], deny: [] },",
      },
    ],
  },
  'app-accounts': {
    what: 'the applications of a customer share its account',
    file: 'src/site/permissions.ts',
    edits: [{ from: 'return customer.isolateApps;', to: 'return false && customer.isolateApps;' }],
  },
  names: {
    what: 'a name may be anything',
    file: 'src/config/names.ts',
    edits: [
      { from: 'export const namePattern = /^(?!_|mb)[A-Za-z0-9_-]{1,64}$/;', to: 'export const namePattern = /^/;' },
    ],
  },
  'leaf-tls': {
    what: 'the leaf port asks for no certificate',
    file: 'nats-config/leaf-listener.conf.tpl',
    edits: [{ from: 'verify: true', to: 'verify: false' }],
  },
  'dialled-name': {
    what: 'who dials a leaf port trusts any certificate there',
    file: 'src/server/config.ts',
    edits: [{ from: 'handshake_first: true,', to: 'handshake_first: true, insecure: true,' }],
  },
  'link-rights': {
    what: 'a peer may say and hear everything on a link',
    file: 'src/site/permissions.ts',
    edits: [
      {
        from: "publish: { allow: [linkSubject(selfSite, peerSite, '>')], deny: [] },",
        to: "publish: { allow: ['>'], deny: [] },",
      },
      {
        from: "subscribe: { allow: [linkSubject(peerSite, selfSite, '>')], deny: [] },",
        to: "subscribe: { allow: ['>'], deny: [] },",
      },
    ],
  },
  'receivers-only': {
    what: 'the key service asks not whether a terminal is in a group of the topic',
    file: 'src/keys/service.ts',
    edits: [{ from: "if (!ticket.isReceiver) throw this.#refused(request, 'not in a group of the topic');", to: '' }],
  },
  password: {
    what: 'the key service asks for no password',
    file: 'src/keys/service.ts',
    edits: [
      { from: "if (!isOriginal && !isRenewed) throw this.#refused(request, 'password');", to: '' },
      { from: 'const leftMs = isOriginal ? ticket.leftMs :', to: 'const leftMs = !isRenewed ? ticket.leftMs :' },
    ],
  },
  'header-check': {
    what: 'a header of a re-ticket is not compared with its ticket',
    file: 'src/keys/service.ts',
    edits: [{ from: "if (!isSame || !hasPassword) throw this.#refused(request, 'header of another ticket');", to: '' }],
  },
  proof: {
    what: 'the key service asks for no proof of the securekey',
    file: 'src/keys/service.ts',
    edits: [
      {
        from: "if (!verifySignature(proofContext, claim, proof, who.signKey)) throw this.#refused(request, 'proof');",
        to: '',
      },
    ],
  },
  'rate-limit': {
    what: 'the key service answers as often as it is asked',
    file: 'src/keys/service.ts',
    edits: [
      { from: 'if (!this.#rates.guesses.has(', to: "if (siteId === '' && !this.#rates.guesses.has(" },
      { from: "if (!this.#rates.site.take(siteId)) throw busy('this site');", to: '' },
      {
        from: 'if (!this.#rates.terminal.take(',
        to: "if (siteId === '' && !this.#rates.terminal.take(",
      },
    ],
  },
  'envelope-signature': {
    what: 'an envelope’s signature is not looked at',
    file: 'src/sealing/open.ts',
    edits: [
      {
        from: 'if (!verifySignature(context.envelope, digest, envelope.signature, known.signKey))',
        to: 'if (digest.length === 0)',
      },
    ],
  },
  'ticket-today': {
    what: 'the key service forgets who was revoked, reported, and which versions are gone',
    file: 'src/keys/service.ts',
    edits: [
      { from: 'if (who.barred) throw this.#refused(request, who.barred);', to: '' },
      {
        from: "if (ticket.isSenderCompromised) throw this.#refused(request, 'sender reported compromised');",
        to: '',
      },
    ],
  },
  'customer-limits': {
    what: 'a customer may have any number of connections',
    file: 'src/site/accounts.ts',
    edits: [{ from: 'limits.maxConnections ?? customerLimits.maxConnections', to: '-1' }],
  },
  marker: {
    what: 'the destination stores what it has already',
    file: 'src/delivery/flow-writer.ts',
    edits: [
      { from: 'if (received.covers(arrival.first, arrival.last)) continue;', to: '' },
      { from: 'if (!received.has(message.seq)) batch.push(', to: 'batch.push(' },
    ],
  },
  'callers-kind': {
    what: 'a site’s key calls what is for admins',
    file: 'src/control/authorize.ts',
    edits: [{ from: 'if (caller?.kind === wanted) return caller;', to: 'if (caller !== undefined) return caller;' }],
  },
  'audit-chain': {
    what: 'a row of the audit log is not compared with its hash',
    file: 'src/registry/audit.ts',
    edits: [
      { from: "if (!chainHash(previous.hash, row).equals(row.hash)) return broken(row.id, 'it was changed');", to: '' },
    ],
  },
  'server-version': {
    what: 'any nats-server will do',
    file: 'src/server/version.ts',
    edits: [{ from: 'if (had !== wanted) return had > wanted;', to: 'if (had !== wanted) return true;' }],
  },
  commitment: {
    what: 'an envelope’s commitment to its key is not looked at',
    file: 'src/sealing/open.ts',
    edits: [
      {
        from: "if (!timingSafeEqual(commitment, envelope.commitment)) throw bad('its key is not the one it commits to');",
        to: '',
      },
    ],
  },
  shun: {
    what: 'an origin keeps to a way over which no receipt comes back',
    file: 'src/terminal/suspects.ts',
    edits: [{ from: 'const mayBlame = !isTruce && between.length > 0;', to: 'const mayBlame = between.length < 0;' }],
  },
  nosniff: {
    what: 'a browser may take what is monitored for a page',
    file: 'src/metrics.ts',
    edits: [{ from: ", 'x-content-type-options': 'nosniff'", to: '' }],
  },
  'console-session': {
    what: 'the console asks for no login',
    file: 'src/console/logins.ts',
    edits: [
      {
        from: "if (cookie === undefined || actor === undefined) throw new BusError('E_CONSOLE_LOGIN', 'log in first');",
        to: "if (cookie === undefined || actor === undefined) return { actor: 'anybody', cookie: '' };",
      },
    ],
  },
  'console-origin': {
    what: 'the console takes requests of other sites’ pages',
    file: 'src/console/server.ts',
    edits: [{ from: 'refuseForeign(method, headers, page.url());', to: '' }],
  },
  'reserved-headers': {
    what: 'an application’s headers travel as they are',
    file: 'src/nats/raw-headers.ts',
    edits: [{ from: 'if (!reserved.test(line)) lines', to: 'if (line.length > 0) lines' }],
  },
  'record-signature': {
    what: 'a routing record is believed whoever signed it',
    file: 'src/routing/records.ts',
    edits: [
      {
        from: 'return verifySignature(contexts[record.kind], signed, signature, publicKey);',
        to: 'return signature.length > 0 || verifySignature(contexts[record.kind], signed, signature, publicKey);',
      },
    ],
  },
  'token-once': {
    what: 'an enrolment token serves as often as it is shown',
    file: 'src/registry/tokens.ts',
    edits: [{ from: 'if (row.used_at)', to: 'if (row.used_at && row.is_expired)' }],
  },
  'clock-offset': {
    what: 'a site does not learn how far its clock is off',
    file: 'src/api/client.ts',
    edits: [{ from: 'this.#clockOffsetMs = nowMs - this.#clock.wallMs();', to: '' }],
  },
} satisfies Record<string, Break>;
