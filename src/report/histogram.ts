// Counts durations by their size, in memory that does not grow with their number: whole nanoseconds, kept to three
// significant digits, so that percentiles are right to 0.5 %, and to the nanosecond below one microsecond. Called by the
// reports and, for the names, by the page. (Those of perf_hooks are filled in 5 ns, not 24, but do not tell their buckets and take no zeros.)

/** The most that percentiles are away from the exact value, as a share of it. */
export const PERCENTILE_ERROR = 0.005;

/** The percentiles that are shown everywhere, besides the greatest value. */
export const PERCENTILES: readonly (readonly [name: string, share: number])[] = [
  ["p50", 0.5],
  ["p95", 0.95],
  ["p99", 0.99],
];

/** Buckets of a decade: those of three digits. */
const BUCKETS = 900;

/** Decades from 1000 ns on; the last one ends after 2^53 ns. */
const DECADES = 13;

/** A bucket: how many values lie from `from` to before `to`. */
export interface Bucket {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** Counts of values of 0 to 2^53. */
export class Histogram {
  count = 0;
  sum = 0;
  min = Infinity;
  max = -Infinity;
  /** Of values under 1000, then of each decade; made when first needed. */
  readonly #chunks: (Float64Array | undefined)[] = [];

  /** Adds a value; what is below 0 counts as 0, and what is not a number is left out. */
  add(value: number): void {
    if (!(value >= 0)) {
      if (Number.isNaN(value)) return;
      value = 0;
    }
    this.count += 1;
    this.sum += value;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    let decade = 0;
    let width = 1;
    while (value >= width * 1000 && decade < DECADES) {
      width *= 10;
      decade += 1;
    }
    const chunk = (this.#chunks[decade] ??= new Float64Array(decade === 0 ? 1000 : BUCKETS));
    const index = Math.floor(value / width) - (decade === 0 ? 0 : 100);
    chunk[index] = (chunk[index] ?? 0) + 1;
  }

  /** NaN without values. */
  get mean(): number {
    return this.sum / this.count;
  }

  /**
   * The value that this share of the values does not exceed: of 100 values, for 0.5 the 50th. NaN without values.
   *
   * @param share 0 to 1
   */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.count));
    if (rank === this.count) return this.max;
    let below = 0;
    for (const { from, to, count } of this.buckets()) {
      below += count;
      // The middle of the whole numbers in the bucket.
      if (below >= rank) return Math.min(this.max, Math.max(this.min, (from + to - 1) / 2));
    }
    return NaN;
  }

  /** The buckets that have values, ascending. */
  *buckets(): Generator<Bucket, void, undefined> {
    for (const [decade, chunk] of this.#chunks.entries()) {
      if (chunk === undefined) continue;
      const width = 10 ** decade;
      const first = decade === 0 ? 0 : 100;
      for (const [index, count] of chunk.entries()) {
        if (count > 0) yield { from: (first + index) * width, to: (first + index + 1) * width, count };
      }
    }
  }
}
