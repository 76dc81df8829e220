// One pass over traces, for commands that read all of them and then print: opens them, chooses by the filter options, shows
// progress, and tells losses and damage. Called by report, hist, graph and diff.
import { openTraces, type TraceSet } from "../ctf/trace.ts";
import { SpanCursor } from "../spans/index.ts";
import { EventFilter, type FilterOptions } from "./filter.ts";
import { exitStatusOf } from "./losses.ts";
import { Progress } from "./progress.ts";
import { palette } from "./style.ts";
import type { Asked } from "./unknown-fields.ts";

/** What a pass found missing. */
export interface PassLosses {
  /** Discarded, as far as they were counted. */
  events: bigint;
  packets: bigint;
  /** Whether some may be lost that nobody counted: before the begin of a stream. */
  uncounted: boolean;
  /** Ends whose begins are not in the trace, and begins whose ends are not, as later events show. */
  begins: number;
  ends: number;
  /** Begins and ends of other tracers' that could not be paired, since their threads are not known. */
  untied: number;
}

/** A pass over traces. */
export class Pass {
  readonly set: TraceSet;
  readonly filter: EventFilter;
  readonly losses: PassLosses = { events: 0n, packets: 0n, uncounted: false, begins: 0, ends: 0, untied: 0 };
  /** All events read, before the filter. */
  events = 0;
  /** Times of the first and the last event that passed, nanoseconds after the set's base; NaN without any. */
  first = NaN;
  last = NaN;
  readonly #progress: Progress;

  /** @throws UserError or CtfError for traces that cannot be read and options that make no sense */
  constructor(paths: string | readonly string[], options: FilterOptions) {
    this.set = openTraces(paths);
    this.filter = new EventFilter(options, this.set);
    this.#progress = new Progress(this.set, true);
  }

  /** Which events are asked for the fields of --where and --by, of those of a name where that is chosen too. */
  asked(chosen: Asked["chosen"], isNamed: (name: string) => boolean = () => true): Asked {
    return {
      sets: [this.set],
      chosen,
      wants: (name) => this.filter.wantsName(name) && isNamed(name),
    };
  }

  /** Seconds from the first event to the last one; 0 where there are no times. */
  get seconds(): number {
    return (this.last - this.first) / 1e9 || 0;
  }

  /**
   * Reads on to the end. Calls `visit` for the events that pass, and for the spans that do when they end, or when their
   * ends are found to be lost, or at the end for those that run: see SpanCursor.kind. They come stream after stream.
   *
   * @param fields names of the fields that records must have
   */
  spans(visit: (cursor: SpanCursor) => void, fields: readonly string[] = []): void {
    const { filter, set } = this;
    // Spans begun in time end later: only what is before can be passed over.
    const { since } = filter.range;
    const all = [...fields, ...filter.fields];
    const cursor = new SpanCursor(set, {
      range: { since },
      inTime: false,
      records: all.length > 0,
      fields: all,
    });
    const everything = filter.isEmpty;
    this.#read(cursor, () => {
      switch (cursor.kind) {
        case "event":
        case "counter":
          if (!everything && !filter.wants(cursor.batch, cursor.at)) return;
          break;
        case "end":
        case "end_lost":
        case "running":
          if (!everything && !filter.wantsSpan(cursor.span, set.base)) return;
          if (cursor.kind === "end_lost") this.losses.ends += 1;
          break;
        case "begin_lost":
          // It began before the time asked for.
          if (since === undefined && filter.wantsName(cursor.type.name)) this.losses.begins += 1;
          return;
        default:
          return;
      }
      visit(cursor);
    });
  }

  /** Reads on to the end, and calls `visit` for the events that pass, those of spans among them, in the order of time. */
  eventsInTime(visit: (cursor: SpanCursor) => void, fields: readonly string[]): void {
    const { filter, set } = this;
    const cursor = new SpanCursor(set, { range: filter.range, fields });
    this.#read(cursor, () => {
      if (cursor.kind === "losses" || cursor.kind === "running" || cursor.kind === "end_lost") return;
      if (filter.isEmpty || filter.wants(cursor.batch, cursor.at)) visit(cursor);
    });
  }

  /** Closes the files, and tells damage on stderr. @returns the exit status */
  end(): number {
    this.#progress.end();
    this.set.close();
    const { warning } = palette(process.stderr);
    for (const { message } of this.set.problems)
      process.stderr.write(`${warning.open}warning: ${message}${warning.close}\n`);
    return exitStatusOf(this.set.problems);
  }

  #read(cursor: SpanCursor, visit: () => void): void {
    const progress = this.#progress;
    const { since, until } = this.filter.range;
    const from = since === undefined ? -Infinity : Number(since - this.set.base);
    const to = until === undefined ? Infinity : Number(until - this.set.base);
    let packet: unknown;
    try {
      while (cursor.next()) {
        const { kind, time } = cursor;
        if (kind === "losses") this.#countLosses(cursor);
        else if (kind !== "running" && kind !== "end_lost") {
          this.events += 1;
          if (time >= from && time <= to) {
            if (!(time >= this.first)) this.first = time;
            if (!(time <= this.last)) this.last = time;
          }
          if (cursor.batch.packet !== packet) {
            packet = cursor.batch.packet;
            progress.at(cursor.batch);
          }
        }
        visit();
      }
      this.losses.untied = cursor.untied;
    } finally {
      progress.end();
    }
  }

  #countLosses({ losses }: SpanCursor): void {
    for (const { kind, count } of losses) {
      if (count === undefined) this.losses.uncounted = true;
      else if (kind === "events") this.losses.events += count;
      else this.losses.packets += count;
    }
  }
}
