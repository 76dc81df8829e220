/** The histogram of durations beside sorted lists: counts, percentiles and their stated error, at every size. */
import { expect, test } from "bun:test";

import { Histogram, PERCENTILE_ERROR } from "../../src/report/histogram.ts";
import { percentile } from "../commands/summed.ts";
import { runCases } from "../support/random.ts";

const SHARES = [0, 0.001, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1];

test("percentiles are right to the stated error, and to the nanosecond below one microsecond", async () => {
  await runCases("test/report/histogram.test.ts", 60, 1, async (random) => {
    // Spread over all sizes, or close together, or few.
    const span = random.pick([3, 9, 30, 52]);
    const count = random.pick([1, 2, 10, 100, 3000]);
    const start = random.below(2) === 0 ? 0 : 2 ** random.below(40);
    const histogram = new Histogram();
    const values = Array.from({ length: count }, () =>
      Math.floor(start + 2 ** ((random.u32() / 2 ** 32) * span) - 1),
    ).sort((a, b) => a - b);
    for (const value of values) histogram.add(value);
    expect([histogram.count, histogram.min, histogram.max]).toEqual([
      count,
      values[0] ?? 0,
      values.at(-1) ?? 0,
    ]);
    for (const share of SHARES) {
      const right = percentile(values, share);
      const error = Math.abs(histogram.percentile(share) - right);
      expect(error).toBeLessThanOrEqual(right < 1000 ? 0 : right * PERCENTILE_ERROR);
    }
    for (const bucket of histogram.buckets())
      expect(bucket.count).toBe(values.filter((one) => one >= bucket.from && one < bucket.to).length);
  });
});

test("edges: the first and the last value of buckets, of a decade and of all", () => {
  const edges = Array.from({ length: 16 }, (_none, decade) => 10 ** decade)
    .flatMap((power) => [power - 1, power, power + 1, power * 9.99])
    .filter((value) => Number.isInteger(value) && value <= Number.MAX_SAFE_INTEGER);
  for (const value of [...edges, Number.MAX_SAFE_INTEGER]) {
    const histogram = new Histogram();
    histogram.add(value);
    histogram.add(value);
    const [bucket, ...more] = histogram.buckets();
    expect(more).toEqual([]);
    expect(bucket?.from).toBeLessThanOrEqual(value);
    expect(bucket?.to).toBeGreaterThan(value);
    // Of two, the first: not the greatest, which is kept exactly.
    expect(histogram.percentile(0.5)).toBe(value);
  }
});

test("the greatest value is no estimate", () => {
  const histogram = new Histogram();
  histogram.add(1_000_000);
  histogram.add(1_009_000);
  expect(histogram.percentile(0.99)).toBe(1_009_000);
});

test("nothing, what is no number, and times that went back", () => {
  const histogram = new Histogram();
  expect([histogram.count, histogram.percentile(0.5), histogram.mean]).toEqual([0, NaN, NaN]);
  histogram.add(NaN);
  expect(histogram.count).toBe(0);
  histogram.add(-5);
  expect([histogram.count, histogram.min, histogram.percentile(0.5)]).toEqual([1, 0, 0]);
});
