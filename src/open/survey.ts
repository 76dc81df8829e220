/**
 * The first reading of a trace for `buntrace open`: which spans pass the filter, how long they are and
 * how many events there are, so that the second reading (gather.ts) knows at each event whether it is
 * shown. Memory: two bytes a span.
 */
import type { EventBatch } from "../ctf/stream.ts";
import type { TraceSet } from "../ctf/trace.ts";
import type { EventClass } from "../ctf/types.ts";
import type { EventFilter } from "../report/filter.ts";
import { type Span, SpanCursor } from "../spans/index.ts";
import { binOf } from "./format.ts";

/** What is known of a span: not wanted, how long it is (its bin and one), or that it is always shown. */
export const UNWANTED = 0;
export const ALWAYS = 0xffff;

/** Events of a block, in whose number the last moment is found. */
export const BLOCK_EVENTS = 1024;

/** What the first reading found. */
export interface Survey {
  /** Of each span, in the order of begins: one of the above, or its bin and one. */
  readonly spans: Uint16Array;
  /** Wanted events that belong to no span, by class. */
  readonly events: ReadonlyMap<EventClass, number>;
  /** Wanted events, all together. */
  readonly total: number;
  /** Wanted events of each block of the trace's events. */
  readonly blocks: readonly number[];
  /** Nanoseconds after the set's base. */
  readonly begin: number;
  readonly end: number;
}

/** A running span. */
interface Open {
  readonly ordinal: number;
  readonly block: number;
}

/** Reads a trace for the first time. @param onBatch is told how far it is */
export function survey(set: TraceSet, filter: EventFilter, onBatch: (batch: EventBatch) => void): Survey {
  const { since } = filter.range;
  const all = filter.isEmpty;
  const cursor = new SpanCursor(set, {
    records: filter.fields.length > 0,
    fields: filter.fields,
    range: { since },
  });
  const open = new Map<Span, Open>();
  const events = new Map<EventClass, number>();
  const blocks: number[] = [];
  let spans = new Uint16Array(1024);
  let spanCount = 0;
  let eventCount = 0;
  let total = 0;
  let [begin, end] = [Infinity, -Infinity];
  let packet: unknown;

  const countAt = (block: number): void => {
    blocks[block] = (blocks[block] ?? 0) + 1;
    total += 1;
  };
  const include = (from: number, to: number): void => {
    if (from < begin) begin = from;
    if (to > end) end = to;
  };
  const close = (span: Span, code: number): boolean => {
    const state = open.get(span);
    open.delete(span);
    if (state === undefined || !(all || filter.wantsSpan(span, set.base))) return false;
    spans[state.ordinal] = code;
    countAt(state.block);
    include(span.start, cursor.time);
    return true;
  };

  while (cursor.next()) {
    const { kind, time } = cursor;
    if (kind === "losses") continue;
    if (kind === "running" || kind === "end_lost") {
      close(cursor.span, ALWAYS);
      continue;
    }
    const { batch } = cursor;
    if (batch.packet !== packet) {
      packet = batch.packet;
      onBatch(batch);
    }
    const block = Math.floor(eventCount / BLOCK_EVENTS);
    eventCount += 1;
    if (kind === "begin") {
      if (spanCount === spans.length) {
        const before = spans;
        spans = new Uint16Array(before.length * 2);
        spans.set(before);
      }
      open.set(cursor.span, { ordinal: spanCount, block });
      spanCount += 1;
    } else if (kind === "end") {
      const { span } = cursor;
      if (close(span, span.failed ? ALWAYS : binOf(span.duration) + 1)) countAt(block);
    } else if (wantsEvent(filter, cursor)) {
      const { event } = cursor;
      events.set(event, (events.get(event) ?? 0) + 1);
      countAt(block);
      include(time, time);
    }
  }
  if (begin > end) [begin, end] = [0, 0];
  return { spans: spans.subarray(0, spanCount), events, total, blocks, begin, end };
}

/** Whether an event that is no part of a span passes. */
export function wantsEvent(filter: EventFilter, cursor: SpanCursor): boolean {
  // The begin of such a span may be before the time asked for, and so not wanted.
  if (cursor.kind === "begin_lost" && filter.range.since !== undefined) return false;
  return filter.isEmpty || filter.wants(cursor.batch, cursor.at);
}
