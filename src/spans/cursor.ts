// Moves through a trace set's events, and ties begins and ends to spans on the way. Memory: the running spans, whatever the
// trace's length. Called by src/report and src/export.
import { completeUntil } from "../ctf/trace-end.ts";
import { type EventRecord, eventClassAt, eventRecord } from "../ctf/events.ts";
import type { Fields } from "../ctf/objects.ts";
import type { EventBatch, Loss, Stream, TimeRange } from "../ctf/stream.ts";
import type { Trace, TraceSet } from "../ctf/trace.ts";
import type { EventClass, StreamClass } from "../ctf/types.ts";
import { type Key, keyReader, type KeyReader, saysThread } from "./keys.ts";
import { PartialRecords } from "./partial.ts";
import { SpanPaths } from "./paths.ts";
import { type Role, Roles, type SpanType } from "./roles.ts";
import type { Span } from "./span.ts";
import { type LossTimes, Thread, threadOf } from "./thread.ts";

/** What a cursor is at: see {@link SpanItem}. */
export type SpanItemKind =
  "event" | "counter" | "begin" | "end" | "begin_lost" | "end_lost" | "running" | "losses";

/** How to move through a trace set. */
export interface CursorOptions {
  /** Which packets to read. What begins before or ends after them is not known then: the spans are as if cut. */
  readonly range?: TimeRange;
  /** All by default. */
  readonly streams?: readonly Stream[];
  /**
   * Whether events come in the order of their times, over all streams. Without, those of one stream do, which is faster;
   * where only the time ties spans together they come in its order all the same. On by default.
   */
  readonly inTime?: boolean;
  /** Whether spans keep their events' records. Off by default: making them takes most of the time. */
  readonly records?: boolean;
  /** Names of the fields that records have; all by default, which takes longer than some. */
  readonly fields?: readonly string[] | undefined;
}

/** What is known of a trace while it is read. */
interface TraceState {
  readonly trace: Trace;
  readonly roles: Roles;
  readonly threads: Map<number, Thread>;
  readonly losses: LossTimes;
  /** The time of the last event, and at the end how far the trace is complete. */
  last: number;
}

/** How to take events of a class. */
interface Reading {
  readonly role: Role;
  /** Made when first needed. */
  key: KeyReader | undefined;
}

/** How to take the events of a stream. */
interface StreamState {
  readonly of: TraceState;
  /** The thread, where the stream is one. */
  readonly thread: Thread | undefined;
  readonly losses: LossTimes;
  readonly readings: readonly Reading[];
}

/** Moves through events and spans; itself what it moved to, until the next move. */
export class SpanCursor {
  kind: SpanItemKind = "event";
  /** Nanoseconds after the set's base; NaN in traces without times. Of what is still running: the trace's end. */
  time = NaN;
  /** All paths of spans met so far. */
  readonly paths = new SpanPaths();
  /** Begins and ends of other tracers whose threads are not known, so that nothing tells which belong together. */
  untied = 0;
  readonly #set: TraceSet;
  readonly #records: boolean;
  readonly #partial: PartialRecords | undefined;
  readonly #traces = new Map<Trace, TraceState>();
  readonly #streams = new Map<Stream, StreamState>();
  /** Readings of stream classes: their traces' roles and generated readers. */
  readonly #readings = new Map<StreamClass, readonly Reading[]>();
  readonly #runs: Iterator<{ readonly batch: EventBatch; readonly from: number; readonly to: number }>;
  #batch: EventBatch | undefined;
  #state: StreamState | undefined;
  #at = 0;
  #to = 0;
  /** From the set's base to the batch's. */
  #shift = 0;
  #type: SpanType | undefined;
  #span: Span | undefined;
  #thread: Thread | undefined;
  /** Spans that the event at hand shows to have ended, before it is told itself. */
  readonly #lost: Span[] = [];
  #held: { readonly kind: SpanItemKind; readonly span: Span | undefined } | undefined;
  #running: Span[] | undefined;
  /** What the next move begins with: the end of a span has been told. */
  #told: Span | undefined;
  readonly #key: Key = { id: 0, parent: 0, failed: 0, thread: 0, value: 0 };

  constructor(set: TraceSet, options: CursorOptions = {}) {
    const { range = {}, streams = set.streams, inTime = true, records = false, fields } = options;
    this.#set = set;
    this.#partial = fields === undefined ? undefined : new PartialRecords(fields);
    this.#records = records;
    for (const trace of set.traces) {
      const roles = new Roles(trace.traceClass);
      const losses = { until: -Infinity };
      this.#traces.set(trace, { trace, roles, threads: new Map(), losses, last: NaN });
    }
    const one = inTime || [...this.#traces.values()].some(({ roles }) => !roles.onlyIds);
    this.#runs = one ? set.runs(range, streams) : oneByOne(set, range, streams);
  }

  /** The event's batch and its number in it. @throws Error where there is no event */
  get batch(): EventBatch {
    return this.#batch ?? missing("batch");
  }
  get at(): number {
    return this.#at;
  }

  get stream(): Stream {
    return this.batch.stream;
  }

  get event(): EventClass {
    return eventClassAt(this.batch, this.#at);
  }

  /** The event as a record of its own, with the fields asked for: the slow form. */
  get record(): EventRecord {
    return this.#partial?.record(this.batch, this.#at) ?? eventRecord(this.batch, this.#at);
  }

  /** Of kind "losses": what was lost. */
  get losses(): readonly Loss[] {
    return this.batch.losses;
  }

  /** The span. @throws Error where there is none */
  get span(): Span {
    return this.#span ?? missing("span");
  }

  /** Of begins and ends: the kind of span. @throws Error where there is none */
  get type(): SpanType {
    return this.#span?.type ?? this.#type ?? missing("span");
  }

  /** Of counters: the value; integers beyond 2^53 lose their lowest bits. */
  get value(): number {
    const reading = this.#state?.readings[this.#classAt()];
    this.#key.value = NaN;
    if (reading !== undefined) this.#readKey(reading);
    return this.#key.value;
  }

  /** The thread; of others' events that do not say it, one made up for the stream. */
  get thread(): Thread {
    if (this.#span !== undefined) return this.#span.thread;
    if (this.#thread === undefined) {
      const state = this.#state ?? missing("thread");
      this.#thread = this.#threadOf(state, state.readings[this.#classAt()]);
    }
    return this.#thread;
  }

  /** Moves on; returns whether there is something. */
  next(): boolean {
    if (this.#told !== undefined) {
      this.#told.parent = undefined;
      this.#told = undefined;
    }
    if (this.#lost.length > 0 || this.#held !== undefined) return this.#tellHeld();
    if (this.#running !== undefined) return this.#tellRunning();
    this.#at += 1;
    if (this.#at < this.#to) return this.#take();
    return this.#nextRun();
  }

  #nextRun(): boolean {
    const { done = false, value: run } = this.#runs.next();
    if (done || run === undefined) {
      this.#running = this.#allRunning();
      return this.#tellRunning();
    }
    const { batch, from, to } = run;
    this.#batch = batch;
    this.#at = from;
    this.#to = to;
    this.#state = this.#stateOf(batch);
    this.#shift = batch.base === this.#set.base ? 0 : Number(batch.base - this.#set.base);
    const last = (batch.times[to - 1] ?? NaN) + this.#shift;
    if (!(last <= this.#state.of.last)) this.#state.of.last = last;
    if (batch.losses.length > 0) return this.#takeLosses(this.#state);
    return from < to ? this.#take() : this.#nextRun();
  }

  #takeLosses(state: StreamState): boolean {
    for (const { to } of this.batch.losses) {
      const until = to === undefined ? Infinity : Number(to - this.#set.base);
      if (until > state.losses.until) state.losses.until = until;
    }
    return this.#tell("losses", undefined);
  }

  /** Takes the event at hand. */
  #take(): boolean {
    const batch = this.#batch ?? missing("batch");
    const state = this.#state ?? missing("batch");
    this.time = (batch.times[this.#at] ?? NaN) + this.#shift;
    const reading = state.readings[this.#classAt()];
    const role = reading?.role;
    if (reading === undefined || role?.type === undefined)
      return this.#tell(role?.kind ?? "event", undefined);
    const thread = this.#threadOf(state, reading);
    if (thread.tid === undefined && !role.type.hasIds && isProcessor(batch.packet.context)) {
      this.untied += 1;
      return this.#tell("event", undefined);
    }
    this.#tell(role.kind, undefined);
    this.#thread = thread;
    this.#type = role.type;
    this.#readKey(reading);
    const key = this.#key;
    if (role.kind === "begin") {
      this.#span = thread.begin(role.type, batch.stream, key.id, key.parent, this.time, this.#lost);
      if (this.#records) this.#span.beginRecord = this.record;
    } else {
      this.#span = thread.end(role.type, key.id, this.time, key.failed !== 0, this.#lost);
      if (this.#span === undefined) this.kind = "begin_lost";
      else if (this.#records) this.#span.endRecord = this.record;
    }
    if (this.#lost.length === 0) {
      if (this.kind === "end") this.#told = this.#span;
      return true;
    }
    this.#held = { kind: this.kind, span: this.#span };
    return this.#tellHeld();
  }

  /** Tells the spans that the event at hand shows to have ended, then the event itself. */
  #tellHeld(): boolean {
    const span = this.#lost.shift();
    if (span !== undefined) {
      this.kind = "end_lost";
      this.#span = span;
      this.#told = span;
      return true;
    }
    this.kind = this.#held?.kind ?? "event";
    this.#span = this.#held?.span;
    if (this.kind === "end") this.#told = this.#span;
    this.#held = undefined;
    return true;
  }

  #tellRunning(): boolean {
    const span = this.#running?.shift();
    if (span === undefined) return false;
    this.time = this.#traces.get(span.thread.trace)?.last ?? NaN;
    return this.#tell("running", span);
  }

  #tell(kind: SpanItemKind, span: Span | undefined): boolean {
    this.kind = kind;
    this.#span = span;
    this.#type = undefined;
    this.#thread = undefined;
    return true;
  }

  /** Past their last events, up to where the traces go. */
  #extend(): void {
    for (const state of this.#traces.values()) {
      const until = completeUntil(state.trace.traceClass);
      if (until === undefined) continue;
      const last = Number(until - this.#set.base);
      if (last > state.last) state.last = last;
    }
  }

  #allRunning(): Span[] {
    this.#extend();
    const threads = new Set<Thread>();
    for (const { threads: byId } of this.#traces.values())
      for (const thread of byId.values()) threads.add(thread);
    for (const { thread } of this.#streams.values()) if (thread !== undefined) threads.add(thread);
    return [...threads].flatMap((thread) => thread.running()).sort((one, other) => one.start - other.start);
  }

  #classAt(): number {
    return this.#batch?.classes[this.#at] ?? 0;
  }

  #readKey(reading: Reading): void {
    const { decoder, bytes, view, starts, stored } = this.batch;
    reading.key ??= keyReader(decoder, this.event);
    reading.key(bytes, view, starts[this.#at] ?? 0, stored, this.#key);
  }

  #threadOf(state: StreamState, reading: Reading | undefined): Thread {
    const { thread, of, losses } = state;
    if (thread !== undefined) return thread;
    if (reading === undefined) return missing("thread");
    this.#readKey(reading);
    const number = this.#key.thread;
    let known = of.threads.get(number);
    if (known === undefined) {
      const { streamContext, context, packetContext } = eventRecord(this.batch, this.#at);
      known = new Thread(
        of.trace,
        threadOf(of.trace, [streamContext, context, packetContext]),
        losses,
        this.paths,
      );
      of.threads.set(number, known);
    }
    return known;
  }

  #stateOf({ stream, packet, decoder }: EventBatch): StreamState {
    const known = this.#streams.get(stream);
    if (known !== undefined) {
      const name = packet.context?.["thread_name"];
      if (known.thread !== undefined && typeof name === "string") known.thread.name = name;
      return known;
    }
    const of =
      [...this.#traces.values()].find(({ trace }) => trace.streams.includes(stream)) ?? missing("trace");
    const { events } = stream.streamClass;
    const readings =
      this.#readings.get(decoder.streamClass) ??
      events.map((event): Reading => ({ role: of.roles.of(event), key: undefined }));
    this.#readings.set(decoder.streamClass, readings);
    const isThread = !events.some(saysThread);
    const losses = isThread ? { until: -Infinity } : of.losses;
    const thread = isThread
      ? new Thread(of.trace, threadOf(of.trace, [packet.context]), losses, this.paths)
      : undefined;
    const state: StreamState = { of, thread, losses, readings };
    this.#streams.set(stream, state);
    return state;
  }
}

/** Whether packets are those of a processor, on which many threads run. */
function isProcessor(context: Fields | undefined): boolean {
  return context?.["cpu_id"] !== undefined;
}

function* oneByOne(
  set: TraceSet,
  range: TimeRange,
  streams: readonly Stream[],
): ReturnType<TraceSet["runs"]> {
  for (const stream of streams) yield* set.runs(range, [stream]);
}

function missing(what: string): never {
  throw new Error(`there is no ${what} here`);
}
