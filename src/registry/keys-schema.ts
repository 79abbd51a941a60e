/** The key service's tables as TypeScript sees them; the truth is in migrations/0002-keys.ts. */
import type { ColumnType, Generated } from 'kysely';

type Bytes = ColumnType<Buffer, Uint8Array, Uint8Array>;

interface TopicKeysTable {
  topic_id: string;
  /** from 1 */
  epoch: number;
  /** root secret under the master key; null once destroyed */
  wrapped: ColumnType<Buffer | null, Uint8Array, Uint8Array | null>;
  created_at: ColumnType<Date, Date | undefined, never>;
  /** from then on it opens only */
  retired_at: Date | null;
  destroyed_at: Date | null;
  /** messages sealed under it, as far as terminals have told */
  sealed: Generated<number>;
}

interface TicketsTable {
  /** 16 bytes */
  id: Bytes;
  topic_id: string;
  epoch: number;
  /** the terminal that seals; may be gone by now */
  terminal_id: string;
  /** SHA-256 */
  password_hash: Bytes;
  issued_at: Date;
  expires_at: Date;
  /** messages sealed with it, as far as its terminal has told */
  sealed: Generated<number>;
  /** from then on it opens nothing and is not renewed */
  revoked_at: Date | null;
}

interface TicketPasswordsTable {
  ticket_id: Bytes;
  /** the receiver it was made for */
  terminal_id: string;
  /** SHA-256 */
  password_hash: Bytes;
  expires_at: Date;
}

interface CompromisedTerminalsTable {
  terminal_id: string;
  reported_at: ColumnType<Date, never, Date>;
}

export interface KeysTables {
  topic_keys: TopicKeysTable;
  tickets: TicketsTable;
  ticket_passwords: TicketPasswordsTable;
  compromised_terminals: CompromisedTerminalsTable;
}
