/**
 * Levels of detail, made once: so that a frame costs as much as the screen has columns, whatever the
 * number of spans or values. A level has one entry for each {@link FAN} entries of the level below.
 */
import type { Model } from "./model.ts";

/** Entries that one of the level above stands for. */
const FAN = 16;

/** Spans of one row, in the order of their starts, and the levels above them. */
export class SpanPyramid {
  readonly spans: Uint32Array;
  readonly levels: readonly SpanLevel[];

  constructor(model: Model, spans: Uint32Array) {
    this.spans = spans;
    const levels: SpanLevel[] = [];
    let below = bottom(model, spans);
    levels.push(below);
    while (below.starts.length > FAN) {
      below = above(below);
      levels.push(below);
    }
    this.levels = levels;
  }
}

/** Entries of one level. */
export interface SpanLevel {
  readonly starts: Float64Array;
  /** Of the last to end. */
  readonly stops: Float64Array;
  /** Time that spans take, and the longest of them. */
  readonly busy: Float64Array;
  readonly longest: Uint32Array;
  /** Whether one of them failed (1) or did not end (2). */
  readonly marks: Uint8Array;
}

/** Marks of {@link SpanLevel.marks}. */
export const FAILED = 1;
export const UNENDED = 2;

function bottom(model: Model, spans: Uint32Array): SpanLevel {
  const level = emptyLevel(spans.length);
  for (let at = 0; at < spans.length; at += 1) {
    const span = spans[at] ?? 0;
    const [start, stop] = [model.spanStart[span] ?? 0, model.spanStop[span] ?? 0];
    level.starts[at] = start;
    level.stops[at] = stop;
    level.busy[at] = stop - start;
    level.longest[at] = span;
    level.marks[at] = (model.spanEnd[span] ?? -1) < 0 ? UNENDED : (model.spanFailed[span] ?? 0);
  }
  return level;
}

function above(below: SpanLevel): SpanLevel {
  const level = emptyLevel(Math.ceil(below.starts.length / FAN));
  for (let at = 0; at < level.starts.length; at += 1) {
    const first = at * FAN;
    const end = Math.min(first + FAN, below.starts.length);
    let [stop, busy, marks, most, longest] = [-Infinity, 0, 0, -1, 0];
    for (let index = first; index < end; index += 1) {
      const time = below.busy[index] ?? 0;
      stop = Math.max(stop, below.stops[index] ?? 0);
      busy += time;
      marks |= below.marks[index] ?? 0;
      if (time > most) [most, longest] = [time, below.longest[index] ?? 0];
    }
    level.starts[at] = below.starts[first] ?? 0;
    level.stops[at] = stop;
    level.busy[at] = busy;
    level.longest[at] = longest;
    level.marks[at] = marks;
  }
  return level;
}

function emptyLevel(length: number): SpanLevel {
  return {
    starts: new Float64Array(length),
    stops: new Float64Array(length),
    busy: new Float64Array(length),
    longest: new Uint32Array(length),
    marks: new Uint8Array(length),
  };
}

/** Values over time, and the least and greatest of stretches of them. */
export class ValuePyramid {
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly least: number;
  readonly greatest: number;
  readonly #levels: readonly { readonly least: Float64Array; readonly greatest: Float64Array }[];

  constructor(times: Float64Array, values: Float64Array) {
    this.times = times;
    this.values = values;
    const levels = [{ least: values, greatest: values }];
    for (let below = levels[0]; below !== undefined && below.least.length > 1; below = levels.at(-1)) {
      levels.push({ least: reduce(below.least, Math.min), greatest: reduce(below.greatest, Math.max) });
    }
    this.#levels = levels;
    this.least = levels.at(-1)?.least[0] ?? 0;
    this.greatest = levels.at(-1)?.greatest[0] ?? 0;
  }

  /** The least and greatest of the values from one index to before another; there must be one. */
  range(from: number, to: number): readonly [least: number, greatest: number] {
    let [least, greatest] = [Infinity, -Infinity];
    for (let level = 0; from < to; level += 1) {
      const { least: low, greatest: high } = this.#levels[level] ?? { least: [], greatest: [] };
      const take = (index: number): void => {
        least = Math.min(least, low[index] ?? Infinity);
        greatest = Math.max(greatest, high[index] ?? -Infinity);
      };
      for (; from < to && from % FAN !== 0; from += 1) take(from);
      for (; to > from && to % FAN !== 0; to -= 1) take(to - 1);
      from /= FAN;
      to /= FAN;
    }
    return [least, greatest];
  }
}

function reduce(values: Float64Array, choose: (one: number, other: number) => number): Float64Array {
  const result = new Float64Array(Math.ceil(values.length / FAN));
  for (let at = 0; at < result.length; at += 1) {
    let chosen = values[at * FAN] ?? 0;
    for (let index = at * FAN + 1; index < Math.min(at * FAN + FAN, values.length); index += 1)
      chosen = choose(chosen, values[index] ?? 0);
    result[at] = chosen;
  }
  return result;
}
