// Reads the begin events of spans once more, of a few that turned out to be wanted after a pass without records. Called by
// the reports, for what was running at a trace's end.
import type { TraceSet } from "../ctf/trace.ts";
import { SpanCursor } from "./cursor.ts";
import type { Span } from "./span.ts";

/** Gives a span its begin's record, and so its fields. In traces without times there is none. */
export function recallBegin(set: TraceSet, span: Span): void {
  if (Number.isNaN(span.start)) return;
  const time = set.base + BigInt(span.start);
  const cursor = new SpanCursor(set, { range: { since: time, until: time }, streams: [span.stream] });
  while (cursor.next()) {
    if (cursor.kind !== "begin" || cursor.time !== span.start || cursor.span.name !== span.name) continue;
    if (span.type.hasIds && cursor.span.id !== span.id) continue;
    span.beginRecord = cursor.record;
    return;
  }
}
