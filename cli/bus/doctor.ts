/** `mbus doctor`: what is wrong and what to do about it, at a site, at a control plane, in the whole bus. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Finding } from '../../src/doctor/index.ts';
import { BusError, errorText, isBusError } from '../../src/errors.ts';
import { type ControlOptions, controlVerb, isLabDir, withControl } from '../control-verb.ts';
import { controlDir } from '../options.ts';
import { printResult } from '../output.ts';

interface DoctorOptions extends ControlOptions {
  all?: boolean;
}

export function register(program: Command): void {
  controlVerb(program, 'doctor', 'look for what is wrong, and say what to do about it; exit code 1 when something is', [
    'mbus doctor',
    'mbus doctor --dir /var/lib/mbus-site',
    'mbus doctor --json',
  ])
    .option('--all', 'also what is well')
    .addHelpText(
      'after',
      "\n\nA site's directory is looked at from its own machine; a control plane's (or a lab's) shows the whole bus.",
    )
    .action(doctor);
}

async function doctor(options: DoctorOptions): Promise<void> {
  const dir = controlDir(options);
  const findings = existsSync(join(dir, 'site.json')) ? await atSite(dir) : await atControl(options, dir);
  printResult(options.json, findings, () => findingsText(findings, options.all));
  const problems = findings.filter(({ level }) => level === 'problem').length;
  if (problems > 0) throw new BusError('E_UNWELL', `${problems} of ${findings.length} findings are problems`);
}

async function atSite(dir: string): Promise<Finding[]> {
  const { examineSite } = await import('../../src/doctor/index.ts');
  return examineSite(dir);
}

async function atControl(options: DoctorOptions, given: string): Promise<Finding[]> {
  const { askBus, checkDisk, checkPermissions, examineBus } = await import('../../src/doctor/index.ts');
  const dir = isLabDir(given) ? join(given, 'control') : given;
  const machine = [...(await checkPermissions(dir)), ...(await checkDisk(dir, 'control plane'))];
  try {
    return [...machine, ...examineBus(await withControl(options, askBus))];
  } catch (error) {
    if (!isBusError(error, 'E_CONTROL_AWAY', 'E_DATABASE_AWAY')) throw error;
    const { code, remedy } = error;
    const check = code === 'E_DATABASE_AWAY' ? 'database' : 'control plane';
    return [...machine, { check, level: 'problem', subject: dir, text: `${code}: ${errorText(error)}`, remedy }];
  }
}

const signs = { ok: '✓', warning: '!', problem: '✗' } as const;

function findingsText(findings: readonly Finding[], isAll = false): string {
  const shown = findings.filter(({ level }) => isAll || level !== 'ok');
  const lines = shown.map(({ level, check, subject, text, remedy }) =>
    [`${signs[level]} ${check} (${subject}): ${text}`, ...(remedy === '' ? [] : [`    ${remedy}`])].join('\n'),
  );
  const well = findings.length - findings.filter(({ level }) => level !== 'ok').length;
  return [...lines, `${well} of ${findings.length} checks are well`].join('\n');
}
