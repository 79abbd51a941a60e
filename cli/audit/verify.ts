/** `mbus audit verify`: whether an entry of the audit table was changed or removed. */
import type { Command } from 'commander';
import { BusError } from '../../src/errors.ts';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { printResult } from '../output.ts';

const verifyMs = 120_000;

export function addVerify(audit: Command): void {
  controlVerb(
    audit,
    'verify',
    'walk the hash chain of all entries; fails at the first that was changed or removed, also at the end',
    ['mbus audit verify', 'mbus audit verify --json'],
  ).action(verify);
}

async function verify(options: ControlOptions): Promise<void> {
  const result = await withControl(options, (control) => control.call('audit.verify', {}, { timeoutMs: verifyMs }));
  printResult(options.json, result, () => `${result.rows} entries, ${result.ok ? 'all as they were written' : 'then'}`);
  if (result.ok) return;
  const text = `entry ${result.firstBadId}: ${result.reason}`;
  throw new BusError('E_AUDIT_CHANGED', text, { details: { firstBadId: result.firstBadId } });
}
