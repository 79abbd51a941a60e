/**
 * What the control plane asks of a site's terminals in its answer to a report: where messages are, for `mbus trace`, and
 * work on dead letters, for `mbus dlq`. The answers go back in calls of their own; who asked waits for them.
 */
import type { LetterTask } from './api/letters.ts';
import type { ControlClient, TraceQuestion } from './api/methods.ts';
import { doLetterTask, traceAt } from './terminal/index.ts';
import type { Terminals } from './terminals.ts';

type Control = Pick<ControlClient, 'call'>;

const maxHops = 256;

/** Questions for terminals that are not here any more stay without an answer: who asks stops waiting for them. */
export async function answerTraces(
  control: Control,
  terminals: Terminals,
  questions: readonly TraceQuestion[],
): Promise<void> {
  for (const question of questions) {
    const { traceId, terminalId } = question;
    const terminal = terminals.byId(terminalId);
    if (terminal === undefined) continue;
    const hops = (await traceAt(terminal, question)).slice(0, maxHops);
    await control.call('site.trace', { traceId, terminalId, hops });
  }
}

/** A task that was done and not answered comes again with the next report. */
export async function doLetterTasks(
  control: Control,
  terminals: Terminals,
  tasks: readonly LetterTask[],
): Promise<void> {
  for (const task of tasks) {
    const terminal = terminals.byId(task.terminalId);
    if (terminal?.letters === undefined) continue;
    const answer = await doLetterTask(terminal.letters, task);
    await control.call('letters.answer', { taskId: task.taskId, answer });
  }
}
