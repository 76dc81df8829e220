// The Trace Event Format, JSON: chrome://tracing, Perfetto, and most other viewers read it. Called by commands/export.ts.
//
// Source: "Trace Event Format", the document of the Catapult project (2016 and later), its JSON Object Format.
import type { Loss, Stream } from "../ctf/stream.ts";
import { jsonValue } from "../report/json.ts";
import { lossName, streamName } from "../report/losses.ts";
import type { Span, SpanCursor, Thread } from "../spans/index.ts";
import { argumentsOf, categoryOf, tiesOf, spanArguments } from "./fields.ts";
import { type Lane, Lanes } from "./lanes.ts";
import { Counts } from "./counts.ts";
import type { ExportSource, Outcome, SpanWriter } from "./source.ts";
import { Who } from "./who.ts";

/** The category of spans and losses on lanes of their own: viewers nest events of one category only. */
const BESIDE = "span";

/**
 * Writes the trace as one JSON object. Times are microseconds after the trace's begin with the nanoseconds as fraction,
 * exact for 52 days, as doubles are; `otherData.begin_ns` is the begin, nanoseconds since the Unix epoch.
 *
 * - Spans on a thread's first lane are complete events (`X`) of the thread; those on other lanes are pairs of nestable
 *   asynchronous events (`b`, `e`), with an id for each lane. They are written at their ends: the format wants no order.
 * - Spans that never ended are begins without an end (`B`, `b`), which viewers draw to the trace's end, and have the
 *   argument `unfinished`. Those whose end was lost end where that shows, with the argument `end_lost`.
 * - Other events are instants (`i`), and so are ends of spans whose begins are not in the trace. Counters are counter
 *   events (`C`), one for each thread. Discarded events are asynchronous events over the time they are from.
 */
export function exportChrome(source: ExportSource): Outcome {
  return source.spans(new ChromeWriter(source));
}

type Json = Readonly<Record<string, unknown>>;

/** Where a thread's events are, and the name that was told. */
interface Place {
  readonly pid: number;
  readonly tid: number;
  readonly name: string | undefined;
}

class ChromeWriter implements SpanWriter {
  readonly #source: ExportSource;
  readonly #lanes = new Lanes(true);
  readonly #who = new Who();
  readonly #processes = new Set<number>();
  readonly #places = new Map<Thread, Place>();
  readonly #laneIds = new Map<Lane, string>();
  readonly #counts = new Counts();
  #ids = 0;
  #separator = "\n";

  constructor(source: ExportSource) {
    this.#source = source;
    source.out.write('{"displayTimeUnit":"ns","traceEvents":[');
  }

  take(cursor: SpanCursor): void {
    const { kind, time } = cursor;
    if (kind === "begin") this.#lanes.begin(cursor.span);
    else if (kind === "end" || kind === "end_lost") this.#span(cursor.span, time, kind === "end_lost");
    else if (kind === "running") this.#unfinished(cursor.span);
    else if (kind === "losses") for (const loss of cursor.losses) this.#loss(loss, cursor.stream);
    else if (kind === "counter") this.#counter(cursor);
    else {
      this.#counts.events += 1;
      const args = argumentsOf(cursor.record);
      const { name } = cursor.record;
      this.#write({ name, cat: categoryOf(name), ph: "i", s: "t", ...this.#at(time, cursor.thread), args });
    }
  }

  end(untimed: number): Outcome {
    const begin_ns = String(this.#source.set.base);
    this.#source.out.write(`\n],"otherData":${JSON.stringify({ begin_ns })}}\n`);
    return this.#counts.outcome(untimed);
  }

  #span(span: Span, time: number, endLost: boolean): void {
    const lane = this.#lanes.of(span);
    this.#lanes.end(span, time);
    if (!this.#source.wants(span)) return;
    this.#counts.spans += 1;
    const args = { ...tiesOf(span), ...spanArguments(span), ...(endLost ? { end_lost: true } : {}) };
    const { name } = span;
    const begin = { ...this.#at(span.start, span.thread), args };
    if (lane.index === 0) {
      this.#write({ name, cat: categoryOf(name), ph: "X", ...begin, dur: (time - span.start) / 1000 });
      return;
    }
    const beside = { name, cat: BESIDE, id: this.#laneId(lane) };
    this.#write({ ...beside, ph: "b", ...begin });
    this.#write({ ...beside, ph: "e", ...this.#at(time, span.thread) });
  }

  #unfinished(span: Span): void {
    if (!this.#source.wants(span)) return;
    this.#counts.unfinished += 1;
    const lane = this.#lanes.of(span);
    const args = { ...tiesOf(span), ...spanArguments(span), unfinished: true };
    const { name } = span;
    const begin = { ...this.#at(span.start, span.thread), args };
    if (lane.index === 0) this.#write({ name, cat: categoryOf(name), ph: "B", ...begin });
    else this.#write({ name, cat: BESIDE, id: this.#laneId(lane), ph: "b", ...begin });
  }

  #counter({ record, time, thread }: SpanCursor): void {
    const value = record.fields?.["value"];
    if (!Number.isFinite(Number(value))) {
      this.#counts.noNumbers += 1;
      return;
    }
    this.#counts.counters += 1;
    // Viewers keep counters by process, name and id.
    const id = String(this.#who.thread(thread).tid);
    this.#write({
      name: record.name,
      ph: "C",
      ...this.#at(time, thread),
      id,
      args: { value: Number(value) },
    });
  }

  #loss(loss: Loss, stream: Stream): void {
    const { from, to } = loss;
    if (from === undefined || to === undefined || from > to) return;
    this.#counts.losses += 1;
    const { base } = this.#source.set;
    const trace = this.#source.traceOf(stream);
    const place = { pid: this.#who.process(trace, undefined).pid, tid: 0 };
    const name = `${lossName(loss)} (${streamName(stream)})`;
    const id = this.#nextId();
    this.#write({ name, cat: BESIDE, id, ph: "b", ts: Number(from - base) / 1000, ...place });
    this.#write({ name, cat: BESIDE, id, ph: "e", ts: Number(to - base) / 1000, ...place });
  }

  /** When and where; what is not named yet is. */
  #at(time: number, thread: Thread): Json {
    let place = this.#places.get(thread);
    if (place === undefined || place.name !== thread.name) {
      place = this.#name(thread);
      this.#places.set(thread, place);
    }
    return { ts: time / 1000, pid: place.pid, tid: place.tid };
  }

  /** Names a thread, again when its name has changed, and its process the first time. */
  #name(thread: Thread): Place {
    const { pid, name: processName } = this.#who.process(thread.trace, thread.pid);
    const { tid, name } = this.#who.thread(thread);
    if (!this.#processes.has(pid)) {
      this.#processes.add(pid);
      this.#write({ name: "process_name", ph: "M", pid, tid: 0, args: { name: processName } });
    }
    this.#write({ name: "thread_name", ph: "M", pid, tid, args: { name } });
    return { pid, tid, name: thread.name };
  }

  #laneId(lane: Lane): string {
    let id = this.#laneIds.get(lane);
    if (id === undefined) this.#laneIds.set(lane, (id = this.#nextId()));
    return id;
  }

  #nextId(): string {
    this.#ids += 1;
    return `0x${this.#ids.toString(16)}`;
  }

  #write(event: Json): void {
    this.#source.out.write(this.#separator + JSON.stringify(event, jsonValue));
    this.#separator = ",\n";
  }
}
