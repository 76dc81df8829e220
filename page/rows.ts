/**
 * The rows of the timeline, from top to bottom: of each process its threads, of each thread its
 * single events, its counters and its spans. Made once.
 */
import type { ClassHeader, TrackHeader } from "../src/open/format.ts";
import type { Model } from "./model.ts";
import { SpanPyramid, ValuePyramid } from "./pyramid.ts";

/** A row; heights and places are CSS pixels. */
export type Row = { readonly top: number; readonly height: number; readonly track: number } & (
  | { readonly kind: "process"; readonly process: number }
  | { readonly kind: "track"; readonly events: number; readonly bottom: number }
  | { readonly kind: "spans"; readonly lane: number; readonly pyramid: SpanPyramid }
  | {
      readonly kind: "events";
      readonly events: Uint32Array;
      readonly times: Float64Array;
      readonly density: readonly number[];
    }
  | {
      readonly kind: "counter";
      readonly of: ClassHeader;
      readonly events: Uint32Array;
      readonly values: ValuePyramid;
    }
);

const HEIGHTS = { process: 30, track: 24, spans: 19, events: 22, counter: 36 } as const;

/** Counters of a thread that stand above its spans; more of them would push the spans out of sight. */
const COUNTERS_ABOVE = 3;

/** Space below a thread. */
const GAP = 8;

/** All rows, and how high they are together. */
export interface Rows {
  readonly all: readonly Row[];
  readonly height: number;
  /** The row of a track's lane. */
  lane(track: number, lane: number): Row | undefined;
  /** The row of a track's single events or of a counter. */
  of(track: number, event: ClassHeader | undefined): Row | undefined;
}

/** Makes the rows of a trace. */
export function makeRows(model: Model): Rows {
  const { tracks, processes } = model.header;
  const parts = split(model);
  const all: Row[] = [];
  let top = 0;
  const place = (height: number, track: number): { top: number; height: number; track: number } => {
    top += height;
    return { top: top - height, height, track };
  };
  // Who starts another stands above it; their order in the data is that of their UUIDs.
  const begin = (process: number): number => processes[process]?.begin ?? 0;
  const inTime = [...processes.keys()].sort((one, other) => begin(one) - begin(other));
  for (const process of inTime) {
    const own = [...tracks.entries()].filter(([, track]) => track.process === process);
    if (own.length === 0) continue;
    all.push({ kind: "process", process, ...place(HEIGHTS.process, -1) });
    for (const [index, track] of own) {
      const part = parts[index];
      if (part === undefined || isEmpty(part, track)) continue;
      const heading = { kind: "track" as const, events: part.count, ...place(HEIGHTS.track, index) };
      const first = all.length;
      const placeCounters = (): void => {
        for (const [of, events] of part.counters)
          all.push(counterRow(model, of, events, place(HEIGHTS.counter, index)));
      };
      if (part.events.length > 0 || track.density.length > 0) {
        const times = Float64Array.from(part.events, (event) => model.times[event] ?? 0);
        const { events } = part;
        all.push({ kind: "events", events, times, density: track.density, ...place(HEIGHTS.events, index) });
      }
      const isFew = part.counters.size <= COUNTERS_ABOVE;
      if (isFew) placeCounters();
      for (const [lane, spans] of part.lanes.entries()) {
        const pyramid = new SpanPyramid(model, spans);
        all.push({ kind: "spans", lane, pyramid, ...place(HEIGHTS.spans, index) });
      }
      if (!isFew) placeCounters();
      all.splice(first, 0, { ...heading, bottom: top });
      top += GAP;
    }
  }
  const find = (test: (row: Row) => boolean): Row | undefined => all.find(test);
  return {
    all,
    height: top,
    lane: (track, lane) => find((row) => row.kind === "spans" && row.track === track && row.lane === lane),
    of: (track, event) =>
      find((row) => row.track === track && row.kind === "counter" && row.of === event) ??
      find((row) => row.track === track && row.kind === "events"),
  };
}

/** A track's spans and events by row. */
interface Part {
  count: number;
  readonly lanes: Uint32Array[];
  events: Uint32Array;
  readonly counters: Map<ClassHeader, Uint32Array>;
}

function isEmpty(part: Part, { losses, density }: TrackHeader): boolean {
  return part.count === 0 && losses.length === 0 && density.length === 0;
}

function counterRow(
  model: Model,
  of: ClassHeader,
  events: Uint32Array,
  place: { top: number; height: number; track: number },
): Row {
  const times = Float64Array.from(events, (event) => model.times[event] ?? 0);
  const field = of.fields.find(({ name }) => name === "value") ?? of.fields[0];
  const column = field === undefined ? new Float64Array(0) : model.column(field);
  const values = Float64Array.from(events, (event) => column[model.eventRank[event] ?? 0] ?? 0);
  return { kind: "counter", of, events, values: new ValuePyramid(times, values), ...place };
}

/** Sorts spans and events into rows: once counting, once filling. */
function split(model: Model): Part[] {
  const { header, eventClass, eventTrack, eventSpan, spanLane } = model;
  const parts = header.tracks.map((): Part => {
    return { count: 0, lanes: [], events: new Uint32Array(0), counters: new Map() };
  });
  const isCounter = header.classes.map(({ kind }) => kind === "counter");
  const lanes = header.tracks.map(() => new Collector());
  const events = new Collector();
  const counters = header.tracks.map(() => new Collector());
  for (let event = 0; event < eventClass.length; event += 1) {
    const track = eventTrack[event] ?? 0;
    const part = parts[track];
    if (part === undefined) continue;
    part.count += 1;
    const span = eventSpan[event] ?? -1;
    if (span < 0) {
      const of = eventClass[event] ?? 0;
      if (isCounter[of] === true) counters[track]?.add(of, event);
      else events.add(track, event);
    } else if (model.spanBegin[span] === event) lanes[track]?.add(spanLane[span] ?? 0, span);
  }
  for (const [track, part] of parts.entries()) {
    part.lanes.push(...(lanes[track]?.lists() ?? []));
    part.events = events.list(track);
    for (const [of, list] of counters[track]?.lists().entries() ?? []) {
      const type = header.classes[of];
      if (type !== undefined && list.length > 0) part.counters.set(type, list);
    }
  }
  return parts;
}

/** Lists of numbers by a key, each in the order of adding. */
class Collector {
  readonly #lists: { values: Uint32Array; length: number }[] = [];

  add(key: number, value: number): void {
    let list = this.#lists[key];
    if (list === undefined) {
      list = { values: new Uint32Array(64), length: 0 };
      this.#lists[key] = list;
    }
    if (list.length === list.values.length) {
      const before = list.values;
      list.values = new Uint32Array(before.length * 2);
      list.values.set(before);
    }
    list.values[list.length] = value;
    list.length += 1;
  }

  list(key: number): Uint32Array {
    const list = this.#lists[key];
    return list === undefined ? new Uint32Array(0) : list.values.slice(0, list.length);
  }

  lists(): Uint32Array[] {
    return Array.from({ length: this.#lists.length }, (_none, key) => this.list(key));
  }
}
