/**
 * The registry's migrations, forward only, imported one by one so that the built program needs no directory scan.
 * A migration that has run anywhere is never edited: what changes later gets a number of its own.
 */
import type { Migration } from 'kysely/migration';
import * as registry from './0001-registry.ts';
import * as keys from './0002-keys.ts';
import * as routing from './0003-routing.ts';
import * as linkModes from './0004-link-modes.ts';
import * as drain from './0005-drain.ts';
import * as traces from './0006-traces.ts';
import * as keyVersions from './0007-key-versions.ts';
import * as revocation from './0008-revocation.ts';
import * as auditHeads from './0009-audit-heads.ts';
import * as deadLetters from './0010-dead-letters.ts';
import * as durability from './0011-durability.ts';
import * as masterKey from './0012-master-key.ts';
import * as forgotten from './0013-forgotten.ts';
import * as orderedTopics from './0014-ordered-topics.ts';
import * as sidecars from './0015-sidecars.ts';
import * as customerLimits from './0016-customer-limits.ts';
import * as appTls from './0017-app-tls.ts';
import * as servers from './0018-servers.ts';
import * as console from './0019-console.ts';
import * as customerConsumers from './0020-customer-consumers.ts';
import * as appCredentialLife from './0021-app-credential-life.ts';
import * as formats from './0022-formats.ts';

/** By name, in the order they run. */
export const migrations: Record<string, Migration> = {
  '0001-registry': registry,
  '0002-keys': keys,
  '0003-routing': routing,
  '0004-link-modes': linkModes,
  '0005-drain': drain,
  '0006-traces': traces,
  '0007-key-versions': keyVersions,
  '0008-revocation': revocation,
  '0009-audit-heads': auditHeads,
  '0010-dead-letters': deadLetters,
  '0011-durability': durability,
  '0012-master-key': masterKey,
  '0013-forgotten': forgotten,
  '0014-ordered-topics': orderedTopics,
  '0015-sidecars': sidecars,
  '0016-customer-limits': customerLimits,
  '0017-app-tls': appTls,
  '0018-servers': servers,
  '0019-console': console,
  '0020-customer-consumers': customerConsumers,
  '0021-app-credential-life': appCredentialLife,
  '0022-formats': formats,
};
