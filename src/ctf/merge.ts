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
  batch: EventBatch;
  /** Index of the next event in the batch. */
  at: number;
}

/**
 * Merges streams by their events' times; of events with one time, those of the stream with the lower index come first.
 * A run is valid until the next one is asked for. Batches with losses come, with an empty run if need be, when the
 * stream's event before them was given out.
 */
export function* mergeStreams(readers: Iterable<StreamReader>): Generator<Run, void, undefined> {
  const heap: Source[] = [];
  for (const reader of readers) {
    const batch = reader.next();
    if (batch === undefined) continue;
    const source = { reader, batch, at: 0 };
    yield* skipEmpty(source);
    if (source.at < source.batch.length) push(heap, source);
  }
  for (let first = heap[0]; first !== undefined; first = heap[0]) {
    const rival = smaller(heap[1], heap[2]);
    const { batch, at } = first;
    const end = rival === undefined ? batch.length : runEnd(first, rival);
    yield { batch, from: at, to: end };
    first.at = end;
    if (end === batch.length) {
      const next = first.reader.next();
      if (next === undefined) {
        remove(heap);
        continue;
      }
      first.batch = next;
      first.at = 0;
      yield* skipEmpty(first);
      if (first.at >= first.batch.length) {
        remove(heap);
        continue;
      }
    }
    sink(heap);
  }
}

/** Gives out batches without events, which have losses; leaves the source at a batch with events, or at its end. */
function* skipEmpty(source: Source): Generator<Run, void, undefined> {
  while (source.batch.length === 0) {
    yield { batch: source.batch, from: 0, to: 0 };
    const next = source.reader.next();
    if (next === undefined) return;
    source.batch = next;
  }
}

/** Index after the last event of a source's batch, from its next on, that comes before the rival's next. */
function runEnd(source: Source, rival: Source): number {
  const { batch } = source;
  let at = source.at + 1;
  if (batch.base !== rival.batch.base) {
    while (at < batch.length && compare(source, at, rival) < 0) at += 1;
    return at;
  }
  const { times, length } = batch;
  const limit = rival.batch.times[rival.at] ?? 0;
  // Events without a time come at once: comparisons with NaN are written so that it does not stop the run.
  if (batch.stream.index < rival.batch.stream.index)
    while (at < length && !((times[at] ?? 0) > limit)) at += 1;
  else while (at < length && !((times[at] ?? 0) >= limit)) at += 1;
  return at;
}

/** Negative when event `at` of the source comes before the rival's next. */
function compare(source: Source, at: number, rival: Source): number {
  const time = source.batch.times[at] ?? 0;
  const rivalTime = rival.batch.times[rival.at] ?? 0;
  // Streams without times go first, each to its end, in the order of their indexes.
  const order = source.batch.stream.index - rival.batch.stream.index;
  if (Number.isNaN(time) || Number.isNaN(rivalTime)) {
    return Number(Number.isNaN(rivalTime)) - Number(Number.isNaN(time)) || order;
  }
  if (source.batch.base === rival.batch.base) return time - rivalTime || order;
  const difference = source.batch.base + BigInt(time) - rival.batch.base - BigInt(rivalTime);
  return difference === 0n ? order : difference < 0n ? -1 : 1;
}

function isBefore(one: Source, other: Source): boolean {
  return compare(one, one.at, other) < 0;
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
