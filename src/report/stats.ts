// Sums of a trace's spans, events and counters by name, and by thread or by a field where that is asked for. Called by the
// report and diff commands.
import type { FieldValue } from "../ctf/objects.ts";
import type { Span, SpanCursor, Thread } from "../spans/index.ts";
import { fieldOf, fieldOfSpan } from "./filter.ts";
import { Histogram } from "./histogram.ts";
import { jsonValue } from "./json.ts";
import type { Pass } from "./pass.ts";
import { lineText } from "./table.ts";
import { threadText } from "./thread-text.ts";
import { UncaughtErrors } from "./uncaught.ts";

/** Groups of one table; what is in more of them is put together, for a field may have a million values. */
const MAX_GROUPS = 1000;

/** Characters of a field's value that tell groups apart: statements and addresses begin alike. */
const MAX_VALUE = 1000;

/** The group of what has no group of its own. */
const OTHERS = "(others)";

/** What tells groups of one table apart: the name and, with --by, the thread or the field's value. */
interface Group {
  readonly name: string;
  readonly by: string | undefined;
}

/** Sums of spans. Durations are nanoseconds. */
export interface SpanStats extends Group {
  /** Those that ended, and their durations: fewer in traces without times. */
  count: number;
  readonly durations: Histogram;
  self: number;
  failed: number;
  /** Spans that never ended, and those of them whose ends may be among the lost events. */
  running: number;
  maybeEnded: number;
}

/** Sums of events that are no span's. */
export interface EventStats extends Group {
  count: number;
}

/** Sums of a counter's values. */
export interface CounterStats extends Group {
  count: number;
  sum: number;
  min: number;
  max: number;
  /** Of the latest time met. */
  last: number;
  lastTime: number;
}

/** A span that was running when its trace ended. */
export interface RunningSpan {
  readonly span: Span;
  /** Nanoseconds from its begin to the trace's last event. */
  readonly soFar: number;
}

/** All sums of a pass. */
export class TraceStats {
  readonly spans: Groups<SpanStats>;
  readonly events: Groups<EventStats>;
  readonly counters: Groups<CounterStats>;
  /** What never ended, in the order of the begins. */
  readonly running: RunningSpan[] = [];
  readonly uncaught = new UncaughtErrors();
  readonly #by: string | undefined;
  /** Texts made before: making one takes longer than all else. */
  readonly #threads = new Map<Thread, string>();
  readonly #values = new Map<FieldValue | undefined, string>();

  /** Reads everything of the pass. @param by "thread", or a field's name */
  constructor(pass: Pass, by?: string) {
    this.#by = by;
    this.spans = new Groups((group) => ({
      ...group,
      count: 0,
      durations: new Histogram(),
      self: 0,
      failed: 0,
      running: 0,
      maybeEnded: 0,
    }));
    this.events = new Groups((group) => ({ ...group, count: 0 }));
    this.counters = new Groups((group) => ({
      ...group,
      count: 0,
      sum: 0,
      min: Infinity,
      max: -Infinity,
      last: NaN,
      lastTime: NaN,
    }));
    pass.spans((cursor) => this.#add(cursor), by === undefined || by === "thread" ? [] : [by]);
  }

  #add(cursor: SpanCursor): void {
    switch (cursor.kind) {
      case "end": {
        const { span } = cursor;
        const stats = this.spans.of(span.name, this.#byOfSpan(span));
        stats.count += 1;
        stats.durations.add(span.duration);
        stats.self += span.self;
        if (span.failed) stats.failed += 1;
        return;
      }
      case "running": {
        const { span } = cursor;
        const stats = this.spans.of(span.name, this.#byOfSpan(span));
        stats.running += 1;
        if (span.endMayBeLost) stats.maybeEnded += 1;
        this.running.push({ span, soFar: cursor.time - span.start });
        return;
      }
      case "event":
        this.events.of(cursor.event.name, this.#byOfEvent(cursor)).count += 1;
        this.uncaught.add(cursor);
        return;
      case "counter":
        addValue(this.counters.of(cursor.event.name, this.#byOfEvent(cursor)), cursor);
        return;
      default:
    }
  }

  #byOfSpan(span: Span): string | undefined {
    if (this.#by === undefined) return undefined;
    return this.#by === "thread"
      ? this.#threadText(span.thread)
      : this.#valueText(fieldOfSpan(span, this.#by));
  }

  #byOfEvent(cursor: SpanCursor): string | undefined {
    if (this.#by === undefined) return undefined;
    return this.#by === "thread"
      ? this.#threadText(cursor.thread)
      : this.#valueText(fieldOf(cursor.record, this.#by));
  }

  #valueText(value: FieldValue | undefined): string {
    let text = this.#values.get(value);
    if (text === undefined) {
      text = valueText(value);
      if (this.#values.size < MAX_GROUPS) this.#values.set(value, text);
    }
    return text;
  }

  #threadText(thread: Thread): string {
    let text = this.#threads.get(thread);
    if (text === undefined) {
      text = threadText(thread);
      this.#threads.set(thread, text);
    }
    return text;
  }
}

/** Sums by group. */
class Groups<T extends Group> {
  readonly #make: (group: Group) => T;
  readonly #byName = new Map<string, Map<string | undefined, T>>();
  #count = 0;

  constructor(make: (group: Group) => T) {
    this.#make = make;
  }

  /** The sums of a group. */
  of(name: string, by: string | undefined): T {
    let groups = this.#byName.get(name);
    if (groups === undefined) {
      groups = new Map();
      this.#byName.set(name, groups);
    }
    const known = groups.get(by);
    if (known !== undefined) return known;
    // Names are few; values of fields need not be.
    const key = by !== undefined && this.#count >= MAX_GROUPS ? OTHERS : by;
    const stats = groups.get(key) ?? this.#make({ name, by: key });
    if (!groups.has(key)) this.#count += 1;
    groups.set(key, stats);
    return stats;
  }

  all(): T[] {
    return [...this.#byName.values()].flatMap((groups) => [...groups.values()]);
  }
}

function addValue(stats: CounterStats, cursor: SpanCursor): void {
  const { value, time } = cursor;
  stats.count += 1;
  stats.sum += value;
  if (value < stats.min) stats.min = value;
  if (value > stats.max) stats.max = value;
  if (!(time < stats.lastTime)) {
    stats.last = value;
    stats.lastTime = time;
  }
}

function valueText(value: FieldValue | undefined): string {
  if (value === undefined) return "(none)";
  return lineText(typeof value === "object" ? JSON.stringify(value, jsonValue) : String(value), MAX_VALUE);
}
