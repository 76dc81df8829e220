// The threads of traces, and the spans that are running in each. In our traces a stream is a thread; in others, events may
// say their thread in a context. Called by cursor.ts.
import type { Fields } from "../ctf/objects.ts";
import type { Stream } from "../ctf/stream.ts";
import type { Trace } from "../ctf/trace.ts";
import { type SpanPaths } from "./paths.ts";
import type { SpanType } from "./roles.ts";
import { Span } from "./span.ts";

/** Spans running in a thread at a time. Where more seem to run, ends were lost: the oldest count as ended. */
const MAX_RUNNING = 1 << 20;

/** Ended spans of which a thread remembers where they were, for what begins inside them later; a power of two. */
const REMEMBERED = 1024;

/** Up to when events of a stream or trace may be lost, nanoseconds after the base; -Infinity where none are. */
export interface LossTimes {
  until: number;
}

/** A thread of a traced process. */
export class Thread {
  readonly trace: Trace;
  /** The process's and the thread's numbers, and the thread's name (the last it had so far), where the trace says them. */
  readonly pid: number | undefined;
  readonly tid: number | undefined;
  name: string | undefined;
  readonly losses: LossTimes;
  readonly #paths: SpanPaths;
  /** Running spans with ids, in the order of their begins. */
  readonly #byId = new Map<number, Span>();
  /** Running spans without, the innermost last. */
  readonly #stack: Span[] = [];
  /** Spans with ids that began lately, by the low bits of their ids. */
  readonly #recent: (Span | undefined)[] = [];
  #count = 0;

  constructor(trace: Trace, who: Pick<Thread, "pid" | "tid" | "name">, losses: LossTimes, paths: SpanPaths) {
    this.trace = trace;
    this.pid = who.pid;
    this.tid = who.tid;
    this.name = who.name;
    this.losses = losses;
    this.#paths = paths;
  }

  /**
   * Begins a span.
   *
   * @param lost gets a span whose end is lost, as this begin shows
   */
  begin(type: SpanType, stream: Stream, id: number, parentId: number, time: number, lost: Span[]): Span {
    if (!type.hasIds) {
      const parent = this.#stack.at(-1);
      this.#count += 1;
      const span = this.#make(type, stream, this.#count, parent?.id ?? 0, parent, time);
      if (this.#stack.length >= MAX_RUNNING) lose(this.#stack.shift(), lost);
      this.#stack.push(span);
      return span;
    }
    const same = this.#byId.get(id);
    if (same !== undefined) lose(same, lost);
    else if (this.#byId.size >= MAX_RUNNING) {
      const [oldest] = this.#byId.values();
      if (oldest !== undefined) this.#byId.delete(oldest.id);
      lose(oldest, lost);
    }
    const span = this.#make(type, stream, id, parentId, this.#find(parentId), time);
    // Taken out first, so that the order stays that of the begins.
    if (same !== undefined) this.#byId.delete(id);
    this.#byId.set(id, span);
    this.#recent[id & (REMEMBERED - 1)] = span;
    return span;
  }

  /**
   * Ends a span.
   *
   * @param lost gets the spans whose ends are lost, as this end shows: the innermost first
   * @returns nothing when its begin is not in the trace
   */
  end(type: SpanType, id: number, time: number, failed: boolean, lost: Span[]): Span | undefined {
    let span: Span | undefined;
    if (type.hasIds) {
      span = this.#byId.get(id);
      if (span?.type !== type) return undefined;
      this.#byId.delete(id);
    } else {
      const at = this.#stack.findLastIndex((one) => one.type === type);
      if (at < 0) return undefined;
      while (this.#stack.length > at + 1) lose(this.#stack.pop(), lost);
      span = this.#stack.pop();
    }
    span?.finish(time, failed);
    return span;
  }

  /** The spans that are running now. */
  running(): Span[] {
    return [...this.#byId.values(), ...this.#stack];
  }

  #make(
    type: SpanType,
    stream: Stream,
    id: number,
    parentId: number,
    parent: Span | undefined,
    time: number,
  ): Span {
    const path = this.#paths.under(parent?.path, type.name);
    return new Span(type, this, stream, id, parentId, parent, path, time);
  }

  #find(id: number): Span | undefined {
    if (id === 0) return undefined;
    const recent = this.#recent[id & (REMEMBERED - 1)];
    return recent?.id === id ? recent : this.#byId.get(id);
  }
}

function lose(span: Span | undefined, lost: Span[]): void {
  if (span === undefined) return;
  span.state = "lost";
  lost.push(span);
}

/** Fields that name a thread, the most telling first. */
const NAMES = ["thread_name", "procname"];

/** Who a thread is, by the fields of its packets or events and the trace's environment. */
export function threadOf(
  trace: Trace,
  contexts: readonly (Fields | undefined)[],
): Pick<Thread, "pid" | "tid" | "name"> {
  const find = (names: readonly string[]): unknown =>
    names.flatMap((name) => contexts.map((context) => context?.[name])).find((value) => value !== undefined);
  const name = find(NAMES);
  const { environment } = trace.traceClass;
  return {
    pid:
      numberOf(find(["vpid", "pid"])) ??
      numberOf(environment.get("pid")) ??
      numberOf(environment.get("vpid")),
    tid: numberOf(find(["vtid", "tid"])),
    name: typeof name === "string" ? name : undefined,
  };
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : undefined;
}
