// Merges streams by time. It works in runs: as long as one stream's next event comes before every other stream's, its
// events are given out as one stretch of its batch. Streams are kept in a heap by the time of their next event.
import type { EventBatch, StreamReader } from "./stream.ts";

/** Events `from` to before `to` of a batch: all that come before any other stream's next event. */
export interface Run {
  readonly batch: EventBatch;
  readonly from: number;
  readonly to: number;
}

/** A stream in the heap. */
interface Source {
  readonly reader: StreamReader;
  readonly index: number;
  batch: EventBatch;
  /** Index of the next event in the batch, and its time after the batch's base. */
  at: number;
  time: number;
}

/**
 * Merges streams by their events' times; of events with one time, those of the stream with the lower index come first.
 * Batches with losses come, with an empty run if need be, when the stream's event before them was given out.
 *
 * Itself the run that {@link next} moved to: where streams alternate, a run is one event, and an object for each would
 * cost as much as the merging.
 */
export class Merger implements Run {
  from = 0;
  to = 0;
  #batch: EventBatch | undefined;
  readonly #heap: Source[] = [];
  /** Readers that were not asked yet. */
  readonly #fresh: StreamReader[];
  /** The source of the run given out last, whose batch may be used up. */
  #current: Source | undefined;
  /** Whether all sources have times after the same base, so that these can be compared as they are. */
  #isPlain = false;

  constructor(readers: readonly StreamReader[]) {
    this.#fresh = readers.toReversed();
  }

  /** The run's batch. @throws Error before the first run */
  get batch(): EventBatch {
    if (this.#batch === undefined) throw new Error("no run was asked for yet");
    return this.#batch;
  }

  /** Moves to the next run, which is valid until the next call; returns whether there is one. */
  next(): boolean {
    const current = this.#current;
    if (current !== undefined && !this.#advance(current)) return this.#giveLosses(current);
    for (let reader = this.#fresh.pop(); reader !== undefined; reader = this.#fresh.pop()) {
      const batch = reader.next();
      if (batch === undefined) continue;
      const source = { reader, index: batch.stream.index, batch, at: 0, time: batch.times[0] ?? NaN };
      if (batch.length === 0) {
        this.#current = source;
        return this.#giveLosses(source);
      }
      push(this.#heap, source);
      this.#isPlain = arePlain(this.#heap);
    }
    const heap = this.#heap;
    const first = heap[0];
    this.#current = first;
    if (first === undefined) return false;
    const [left, right] = [heap[1], heap[2]];
    const rival = this.#isPlain ? earlier(left, right) : smaller(left, right);
    this.#batch = first.batch;
    this.from = first.at;
    this.to = rival === undefined ? first.batch.length : runEnd(first, rival);
    return true;
  }

  /** Puts the source of the last run in its new place. Returns false when it came to a batch without events. */
  #advance(source: Source): boolean {
    this.#current = undefined;
    const wasInHeap = source.batch.length > 0;
    if (wasInHeap && this.to < source.batch.length) {
      source.at = this.to;
      source.time = source.batch.times[this.to] ?? NaN;
      if (this.#isPlain) sinkPlainly(this.#heap, source);
      else sink(this.#heap);
      return true;
    }
    const hasEvents = this.#refill(source, wasInHeap);
    this.#isPlain = arePlain(this.#heap);
    return hasEvents;
  }

  /** Gives the source its reader's next batch, and a place in the heap if there are events in it. As {@link #advance}. */
  #refill(source: Source, wasInHeap: boolean): boolean {
    const batch = source.reader.next();
    if (batch === undefined) {
      if (wasInHeap) remove(this.#heap);
      return true;
    }
    source.batch = batch;
    source.at = 0;
    source.time = batch.times[0] ?? NaN;
    if (batch.length === 0) {
      if (wasInHeap) remove(this.#heap);
      this.#current = source;
      return false;
    }
    if (wasInHeap) sink(this.#heap);
    else push(this.#heap, source);
    return true;
  }

  #giveLosses({ batch }: Source): boolean {
    this.#batch = batch;
    this.from = 0;
    this.to = 0;
    return true;
  }
}

/** As {@link Merger}, as an iterator: a run is valid until the next one is asked for. */
export function* mergeStreams(readers: readonly StreamReader[]): Generator<Run, void, undefined> {
  const merger = new Merger(readers);
  while (merger.next()) yield merger;
}

/** Index after the last event of a source's batch, from its next on, that comes before the rival's next. */
function runEnd(source: Source, rival: Source): number {
  const { batch } = source;
  const { times, length } = batch;
  let at = source.at + 1;
  if (batch.base !== rival.batch.base) {
    while (at < length && compare(batch, times[at] ?? NaN, source.index, rival) < 0) at += 1;
    return at;
  }
  const limit = rival.time;
  // Events without a time come at once: comparisons with NaN are written so that it does not stop the run.
  if (source.index < rival.index) while (at < length && !((times[at] ?? 0) > limit)) at += 1;
  else while (at < length && !((times[at] ?? 0) >= limit)) at += 1;
  return at;
}

/** Whether all sources have times, and after one base: {@link compare} would look at nothing else then. */
function arePlain(heap: readonly Source[]): boolean {
  return heap.every(({ batch, time }) => batch.base === heap[0]?.batch.base && !Number.isNaN(time));
}

function isEarlier(one: Source, other: Source): boolean {
  return one.time < other.time || (one.time === other.time && one.index < other.index);
}

/** As {@link smaller}, of plain sources. */
function earlier(one: Source | undefined, other: Source | undefined): Source | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return isEarlier(other, one) ? other : one;
}

/** As {@link sink}, of plain sources. */
function sinkPlainly(heap: Source[], source: Source): void {
  const { length } = heap;
  let at = 0;
  for (let below = 1; below < length; below = at * 2 + 1) {
    let child = heap[below] ?? source;
    const right = heap[below + 1];
    if (right !== undefined && isEarlier(right, child)) {
      below += 1;
      child = right;
    }
    if (!isEarlier(child, source)) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = source;
}

/** Negative when a time of a batch comes before the rival's next event. */
function compare(batch: EventBatch, time: number, index: number, rival: Source): number {
  if (batch.base === rival.batch.base) {
    if (time < rival.time) return -1;
    if (time > rival.time) return 1;
  }
  // Streams without times go first, each to its end, in the order of their indexes.
  const order = index - rival.index;
  if (Number.isNaN(time) || Number.isNaN(rival.time)) {
    return Number(Number.isNaN(rival.time)) - Number(Number.isNaN(time)) || order;
  }
  const difference = batch.base + BigInt(time) - rival.batch.base - BigInt(rival.time);
  return difference === 0n ? order : difference < 0n ? -1 : 1;
}

function isBefore(one: Source, other: Source): boolean {
  return compare(one.batch, one.time, one.index, other) < 0;
}

function smaller(one: Source | undefined, other: Source | undefined): Source | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return isBefore(other, one) ? other : one;
}

function push(heap: Source[], source: Source): void {
  let at = heap.length;
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above];
    if (parent === undefined || !isBefore(source, parent)) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = source;
}

/** Puts the first source in its place, whose next event has changed. */
function sink(heap: Source[]): void {
  const [source] = heap;
  if (source === undefined) return;
  let at = 0;
  for (;;) {
    let below = at * 2 + 1;
    let child = heap[below];
    if (child === undefined) break;
    const right = heap[below + 1];
    if (right !== undefined && isBefore(right, child)) {
      below += 1;
      child = right;
    }
    if (!isBefore(child, source)) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = source;
}

/** Removes the first source. */
function remove(heap: Source[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  heap[0] = last;
  sink(heap);
}
