// A span as it is read: made at its begin by pairing.ts, and completed at its end. Kept by whoever wants it longer.
import type { EventRecord } from "../ctf/events.ts";
import type { Fields } from "../ctf/objects.ts";
import type { Stream } from "../ctf/stream.ts";
import type { SpanPath } from "./paths.ts";
import type { SpanType } from "./roles.ts";
import type { Thread } from "./thread.ts";

/** Fields of span events that say what is in a {@link Span} anyway. */
const TIES: ReadonlySet<string> = new Set(["span_id", "parent_id", "failed"]);

/** A piece of work. Times are nanoseconds after the trace set's base; NaN in traces without times. */
export class Span {
  readonly type: SpanType;
  readonly thread: Thread;
  /** The stream of its begin event. */
  readonly stream: Stream;
  /** Unique in its thread: the tracer's id or, where it gives none, a number counted here. Never 0. */
  readonly id: number;
  /** The id of the span around; 0 for none. It may not be in the trace. */
  readonly parentId: number;
  /**
   * The span around, as far as it is known; it may have ended before. Once this span has ended and its end was told,
   * nothing: else a row of spans, each begun inside the one before, would never be freed.
   */
  parent: Span | undefined;
  readonly path: SpanPath;
  readonly start: number;
  /** NaN as long as it runs, and where its end is lost. */
  end = NaN;
  /** Whether an error ended it. */
  failed = false;
  /** "running": its end was not met, up to now; "lost": it ended, and the trace does not say when. */
  state: "running" | "ended" | "lost" = "running";
  /** The events, where the reader was asked for them. */
  beginRecord: EventRecord | undefined;
  endRecord: EventRecord | undefined;
  /** How many of its children run, since when at least one does, and how long at least one did. */
  #children = 0;
  #since = 0;
  #covered = 0;

  constructor(
    type: SpanType,
    thread: Thread,
    stream: Stream,
    id: number,
    parentId: number,
    parent: Span | undefined,
    path: SpanPath,
    start: number,
  ) {
    this.type = type;
    this.thread = thread;
    this.stream = stream;
    this.id = id;
    this.parentId = parentId;
    this.parent = parent;
    this.path = path;
    this.start = start;
    parent?.childBegan(start);
  }

  get name(): string {
    return this.type.name;
  }

  /** How many known spans are around it; not more than paths have levels. */
  get depth(): number {
    return this.path.level;
  }

  /** Nanoseconds; NaN while it runs. */
  get duration(): number {
    return this.end - this.start;
  }

  /** Nanoseconds of its duration in which none of its children ran; NaN while it runs. */
  get self(): number {
    return this.end - this.start - this.#covered;
  }

  /** Of a span that runs at the trace's end: whether its end may be among the events that were lost. */
  get endMayBeLost(): boolean {
    return this.thread.losses.until >= this.start;
  }

  /** The program's own fields of the begin, where the reader was asked for records. */
  get fields(): Fields {
    return ownFields(this.beginRecord);
  }

  /** The program's own fields of the end. */
  get endFields(): Fields {
    return ownFields(this.endRecord);
  }

  childBegan(time: number): void {
    if (this.state !== "running") return;
    if (this.#children === 0) this.#since = time;
    this.#children += 1;
  }

  childEnded(time: number): void {
    if (this.state !== "running") return;
    this.#children -= 1;
    if (this.#children === 0) this.#covered += time - this.#since;
  }

  /** Called by pairing.ts. */
  finish(time: number, failed: boolean): void {
    if (this.#children > 0) this.#covered += time - this.#since;
    this.end = time;
    this.failed = failed;
    this.state = "ended";
    this.parent?.childEnded(time);
  }
}

function ownFields(record: EventRecord | undefined): Fields {
  const entries = Object.entries(record?.fields ?? {});
  return Object.fromEntries(entries.filter(([name]) => !TIES.has(name)));
}
