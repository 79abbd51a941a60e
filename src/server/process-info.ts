/**
 * What the machine says of a process: its command line and start time. Before any signal is sent to a remembered pid,
 * these tell whether it is still the process that was meant.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const hasProc = existsSync('/proc/self/stat');

/** Arguments of a living process, empty when there is none (or it is a zombie). */
export function processArguments(pid: number): string[] {
  try {
    if (hasProc) return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .split(/\s+/)
      .filter(Boolean);
  } catch {
    return [];
  }
}

/** When a process began, as an opaque text that differs for the next process of the same pid; undefined when it is gone. */
export function processStart(pid: number): string | undefined {
  try {
    if (!hasProc)
      return (
        execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
          .trim()
          .replaceAll(' ', '-') || undefined
      );
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // field 3 is the state, field 22 the start time in ticks; the name before them may hold spaces
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
