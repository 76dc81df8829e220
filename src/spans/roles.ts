// What each event class of a trace is to spans: a begin, an end, a counter's change, or none of these. Ours say it in the
// metadata; of other tracers' events the names do. Called by cursor.ts, once a trace.
import type { EventClass, TraceClass } from "../ctf/types.ts";

/** A kind of span: a begin event and an end event. */
export interface SpanType {
  /** Ours are `provider:span`. */
  readonly name: string;
  /** Whether its events have ids, so that spans of a thread may overlap; else the last one begun is the first to end. */
  readonly hasIds: boolean;
}

/** What an event of a class is. */
export type Role =
  | { readonly kind: "event" | "counter"; readonly type: undefined }
  | { readonly kind: "begin" | "end"; readonly type: SpanType };

const EVENT: Role = { kind: "event", type: undefined };
const COUNTER: Role = { kind: "counter", type: undefined };

/**
 * Names of begin events in other tracers' traces, what makes the name of the end event of it, and what makes the span's.
 * The first end that the trace has counts.
 */
const PAIRS: readonly (readonly [begin: RegExp, end: string, span: string])[] = [
  [/syscall_entry_/, "syscall_exit_", "syscall_"],
  [/([_:])entry$/, "$1exit", ""],
  [/([_:])enter$/, "$1exit", ""],
  [/([_:])enter$/, "$1leave", ""],
  [/([_:])begin$/, "$1end", ""],
  [/([_:])start$/, "$1stop", ""],
  [/([_:])start$/, "$1end", ""],
  [/([_:])start$/, "$1done", ""],
  [/([_:])start$/, "$1finish", ""],
];

/** The roles of a trace's event classes; of those that are not in it, {@link Role.kind} is "event". */
export class Roles {
  readonly #roles = new Map<EventClass, Role>();
  /** Whether all begins and ends have ids. */
  readonly onlyIds: boolean;

  constructor(trace: TraceClass) {
    const classes = trace.streamClasses.flatMap(({ events }) => events);
    // A program's own events say what they are: names of others would pair what runs interleaved.
    if (trace.environment.get("tracer_name") === "buntrace") this.#addDeclared(classes);
    else this.#addPairs(classes);
    this.onlyIds = [...this.#roles.values()].every(({ type }) => type?.hasIds !== false);
  }

  of(event: EventClass): Role {
    return this.#roles.get(event) ?? EVENT;
  }

  #addDeclared(classes: readonly EventClass[]): void {
    const types = new Map<string, SpanType>();
    for (const event of classes) {
      const [, kind] = /^buntrace:(counter|span_begin|span_end)$/.exec(event.emfUri ?? "") ?? [];
      if (kind === "counter") this.#roles.set(event, COUNTER);
      if (kind === undefined || kind === "counter" || !hasId(event)) continue;
      const name = event.name.replace(/_(begin|end)$/, "");
      const type = types.get(name) ?? { name, hasIds: true };
      types.set(name, type);
      this.#roles.set(event, { kind: kind === "span_begin" ? "begin" : "end", type });
    }
  }

  #addPairs(classes: readonly EventClass[]): void {
    // A name may be declared once for each channel.
    const byName = Map.groupBy(classes, ({ name }) => name);
    for (const [pattern, toEnd, toSpan] of PAIRS) {
      for (const [name, begins] of byName) {
        const ends = pattern.test(name) ? byName.get(name.replace(pattern, toEnd)) : undefined;
        if (ends === undefined || [...begins, ...ends].some((event) => this.#roles.has(event))) continue;
        const type: SpanType = { name: name.replace(pattern, toSpan), hasIds: false };
        for (const event of begins) this.#roles.set(event, { kind: "begin", type });
        for (const event of ends) this.#roles.set(event, { kind: "end", type });
      }
    }
  }
}

function hasId(event: EventClass): boolean {
  return event.fields?.members.some(({ name }) => name === "span_id") === true;
}
