// Events and spans as objects, for exporters and pictures: the convenient form of cursor.ts, and the slow one.
import type { EventRecord } from "../ctf/events.ts";
import type { Loss, Stream } from "../ctf/stream.ts";
import type { TraceSet } from "../ctf/trace.ts";
import { type CursorOptions, SpanCursor } from "./cursor.ts";
import type { SpanType } from "./roles.ts";
import type { Span } from "./span.ts";
import type { Thread } from "./thread.ts";

/** What happens in a trace. Times are nanoseconds after the set's base; NaN in traces without times. */
export type SpanItem =
  /** An event of its own; of a counter, with its value. */
  | { readonly kind: "event"; readonly time: number; readonly thread: Thread; readonly record: EventRecord }
  | {
      readonly kind: "counter";
      readonly time: number;
      readonly thread: Thread;
      readonly record: EventRecord;
      readonly value: number | bigint;
    }
  /** A span begins or ends; its events are in {@link Span.beginRecord} and {@link Span.endRecord}. */
  | { readonly kind: "begin"; readonly time: number; readonly thread: Thread; readonly span: Span }
  | { readonly kind: "end"; readonly time: number; readonly thread: Thread; readonly span: Span }
  /** A span ends whose begin is not in the trace. */
  | {
      readonly kind: "begin_lost";
      readonly time: number;
      readonly thread: Thread;
      readonly type: SpanType;
      readonly record: EventRecord;
    }
  /** A span has ended, as what follows shows, and its end is not in the trace. */
  | { readonly kind: "end_lost"; readonly time: number; readonly thread: Thread; readonly span: Span }
  /** At the trace's end: a span that never ended. Its time is the last event's of its trace. */
  | { readonly kind: "running"; readonly time: number; readonly thread: Thread; readonly span: Span }
  /** Events or packets of a stream are not in the trace. */
  | { readonly kind: "losses"; readonly stream: Stream; readonly losses: readonly Loss[] };

/** All that happens in a trace set, in the order of time unless the options say otherwise. */
export function* spanItems(
  set: TraceSet,
  options: Omit<CursorOptions, "records"> = {},
): Generator<SpanItem, void, undefined> {
  const cursor = new SpanCursor(set, { ...options, records: true });
  while (cursor.next()) yield itemAt(cursor);
}

function itemAt(cursor: SpanCursor): SpanItem {
  const { kind, time } = cursor;
  if (kind === "losses") return { kind, stream: cursor.stream, losses: cursor.losses };
  const { thread } = cursor;
  if (kind === "event") return { kind, time, thread, record: cursor.record };
  if (kind === "begin_lost") return { kind, time, thread, type: cursor.type, record: cursor.record };
  if (kind !== "counter") return { kind, time, thread, span: cursor.span };
  const { record } = cursor;
  const value = record.fields?.["value"];
  return { kind, time, thread, record, value: typeof value === "bigint" ? value : Number(value) };
}
