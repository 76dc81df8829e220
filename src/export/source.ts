// What an export reads: the events of a trace set that pass the filters, in the order of their times, one by one or tied
// to spans. Made by commands/export.ts, read once by the format's function.
import { eventTime } from "../ctf/events.ts";
import type { EventBatch, Loss, Stream } from "../ctf/stream.ts";
import type { Trace, TraceSet } from "../ctf/trace.ts";
import type { EventFilter } from "../report/filter.ts";
import type { Chosen } from "../report/no-match.ts";
import type { Output } from "../report/output.ts";
import { many } from "../report/number-text.ts";
import { tellUnknownFields } from "../report/unknown-fields.ts";
import { type Span, SpanCursor } from "../spans/index.ts";

/**
 * Writes all that a source has to its output, as it goes: what it keeps must not grow with the trace's length. The output
 * is flushed after.
 */
export type Export = (source: ExportSource) => Outcome;

/** What became of the events. */
export interface Outcome {
  /** Counts by the name of one of what was counted: `event`, `span`. */
  readonly written: Readonly<Record<string, number>>;
  /** What the format has no place for, the same way; zeros are not shown. */
  readonly leftOut?: Readonly<Record<string, number>>;
}

/** The outcome in words: what was written, and the end of the sentence after where it went. */
export function outcomeText({ written, leftOut = {} }: Outcome): { what: string; rest: string } {
  const list = (counts: readonly [string, number][]): string =>
    counts.map(([one, count]) => plural(one, count)).join(", ");
  const some = (counts: Readonly<Record<string, number>>): [string, number][] =>
    Object.entries(counts).filter(([, count]) => count > 0);
  const [what, omitted] = [some(written), some(leftOut)];
  return {
    what: list(what.length > 0 ? what : Object.entries(written).slice(0, 1)),
    rest: omitted.length === 0 ? "" : `; left out: ${list(omitted)}`,
  };
}

/** Whether no event or span passed the filter; losses are told anyway. */
export function isNothing({ written, leftOut = {} }: Outcome): boolean {
  const { "loss mark": _losses, ...counts } = { ...leftOut, ...written };
  return Object.values(counts).every((count) => count === 0);
}

/** A count and its noun, in the plural where it is one: `2 events without a time`. */
function plural(one: string, count: number): string {
  const end = one.search(/ without | \(/);
  return end < 0 ? many(count, one) : `${many(count, one.slice(0, end))}${one.slice(end)}`;
}

/** Who wants to know how far it is, and what is not there. */
export interface SourceListener {
  /** Called for each packet, at least. */
  batch(batch: EventBatch): void;
  loss(loss: Loss, stream: Stream): void;
}

/** Writes events and spans in a format. */
export interface SpanWriter {
  /** Takes what a cursor is at; of spans, what {@link ExportSource.spans} says. */
  take(cursor: SpanCursor): void;
  /** Writes what is left. @param untimed events that have no time, and were not given */
  end(untimed: number): Outcome;
}

/** See the file's head. Either {@link events} or {@link spans} is to be called, once. */
export class ExportSource {
  readonly set: TraceSet;
  readonly filter: EventFilter;
  readonly out: Output;
  /** Which of the two is read. */
  form: Chosen = "events";
  readonly #listener: SourceListener;

  constructor(set: TraceSet, filter: EventFilter, out: Output, listener: SourceListener) {
    this.set = set;
    this.filter = filter;
    this.out = out;
    this.#listener = listener;
  }

  /** The trace that a stream is of. */
  traceOf(stream: Stream): Trace {
    const trace = this.set.traces.find(({ streams }) => streams.includes(stream));
    if (trace === undefined) throw new Error(`stream ${stream.index} is of another trace set`);
    return trace;
  }

  /** Gives each event of the batches, which are valid during the call. */
  events(take: (batch: EventBatch, at: number) => void): void {
    const { filter } = this;
    this.#tellUnknownFields();
    const runs = this.set.merger(filter.range);
    while (runs.next()) {
      const { batch, from, to } = runs;
      this.#tell(batch, true);
      for (let at = from; at < to; at += 1) if (filter.isEmpty || filter.wants(batch, at)) take(batch, at);
    }
  }

  /**
   * Gives events and spans to a writer: see SpanItem. Spans come as far as their names, threads and begins are wanted; at
   * their ends, {@link wants} says whether all of the filter lets them through. What has no time is not given, but counted.
   */
  spans(writer: SpanWriter): Outcome {
    const { filter, set } = this;
    this.form = "spans";
    this.#tellUnknownFields();
    let untimed = 0;
    // Spans that begin in the time asked for may end after it.
    const range = { since: filter.range.since };
    const cursor = new SpanCursor(set, { range, records: true });
    const wanted = new WeakSet<Span>();
    let last: EventBatch["packet"] | undefined;
    while (cursor.next()) {
      const { kind } = cursor;
      if (kind !== "running" && cursor.batch.packet !== last) {
        last = cursor.batch.packet;
        this.#tell(cursor.batch, false);
      }
      if (kind === "losses") {
        if (cursor.losses.every(({ from }) => this.#isAfter(from))) continue;
        this.#tell(cursor.batch, true);
        writer.take(cursor);
      } else if (Number.isNaN(cursor.time)) {
        if (kind !== "running" && kind !== "end_lost") untimed += 1;
      } else if (kind === "begin") {
        if (!filter.mayWantSpan(cursor.span, set.base)) continue;
        wanted.add(cursor.span);
        writer.take(cursor);
      } else if (kind === "end" || kind === "end_lost" || kind === "running") {
        if (wanted.has(cursor.span)) writer.take(cursor);
      } else if (filter.isEmpty || filter.wants(cursor.batch, cursor.at)) writer.take(cursor);
    }
    return writer.end(untimed);
  }

  /** Nanoseconds since the Unix epoch of what a cursor is at; exact, however far from the trace's begin. */
  timeOf(cursor: SpanCursor): bigint {
    const { kind, time } = cursor;
    const isEvent = kind !== "running" && kind !== "end_lost";
    return (isEvent ? eventTime(cursor.batch, cursor.at) : undefined) ?? this.set.base + BigInt(time);
  }

  /** The same of a span's begin. */
  beginOf({ beginRecord, start }: Span): bigint {
    return beginRecord?.time ?? this.set.base + BigInt(start);
  }

  /** Whether a span of {@link spans}, as far as it is known now, is to be exported. */
  wants(span: Span): boolean {
    return this.filter.fields.length === 0 || this.filter.wantsSpan(span, this.set.base);
  }

  #tellUnknownFields(): void {
    const { filter, form: chosen, set } = this;
    tellUnknownFields(filter.fields, { sets: [set], chosen, wants: (name) => filter.wantsName(name) });
  }

  #isAfter(time: bigint | undefined): boolean {
    const { until } = this.filter.range;
    return time !== undefined && until !== undefined && time > until;
  }

  #tell(batch: EventBatch, withLosses: boolean): void {
    this.#listener.batch(batch);
    if (withLosses) for (const loss of batch.losses) this.#listener.loss(loss, batch.stream);
  }
}
