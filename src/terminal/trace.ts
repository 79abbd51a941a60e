/** What this terminal knows of one message: when it was published here, passed by, arrived, and who has receipted it. */
import type { TraceHop, TraceQuestion } from '../api/methods.ts';
import { isBusError } from '../errors.ts';
import { natsCall } from '../nats/index.ts';
import type { Terminal } from './terminal.ts';

/** Everything this terminal still remembers; empty when it has nothing to say. */
export async function traceAt(terminal: Terminal, question: TraceQuestion): Promise<TraceHop[]> {
  const { topicId, originId, sequence } = question;
  const passed = terminal.carrying.paths
    .rows()
    .filter(({ flow, first, last }) => {
      return flow.originId === originId && flow.topicId === topicId && first <= sequence && sequence <= last;
    })
    .map(({ kind, atMs, path, destinationId }): TraceHop => ({ kind, atMs, path, destinationId, groupId: null }));
  if (terminal.customer.terminalId !== originId) return passed;
  return [...(await captured(terminal, topicId, sequence)), ...passed, ...receipted(terminal, topicId, sequence)];
}

/** With interest retention a message that every group has is gone from its capture stream, and its time with it. */
async function captured(terminal: Terminal, topicId: string, sequence: number): Promise<TraceHop[]> {
  const name = terminal.topics.get(topicId)?.captureName ?? null;
  const { jsm } = terminal;
  if (jsm === undefined || name === null) return [];
  try {
    const stored = await natsCall('trace', () => jsm.streams.getMessage(name, { seq: sequence }));
    const last = stored === null ? (await natsCall('trace', () => jsm.streams.info(name))).state.last_seq : sequence;
    if (last < sequence) return [];
    const atMs = stored === null ? null : stored.time.getTime();
    return [{ kind: 'captured', atMs, path: [], destinationId: null, groupId: null }];
  } catch (error) {
    if (isBusError(error)) return [];
    throw error;
  }
}

function receipted(terminal: Terminal, topicId: string, sequence: number): TraceHop[] {
  const runtime = terminal.topics.get(topicId);
  return (runtime?.topic.groups ?? []).flatMap((group): TraceHop[] => {
    const progress = runtime?.progress(group.id) ?? null;
    if (progress === null || progress.floor < sequence) return [];
    return [{ kind: 'receipted', atMs: null, path: [], destinationId: progress.terminalId, groupId: group.id }];
  });
}
