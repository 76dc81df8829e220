/** Counts, sizes and durations as people read them, at the bounds of their units. */
import { expect, test } from "bun:test";

import {
  bytesText,
  durationText,
  many,
  numberText,
  shortDurationText,
} from "../../src/report/number-text.ts";

test.each([
  [0, "0 ns"],
  [1.5, "1.5 ns"],
  [7, "7 ns"],
  [999, "999 ns"],
  [1000, "1.00 us"],
  [1005.1, "1.01 us"],
  [999_499, "999 us"],
  [999_500, "1.00 ms"],
  [999_960, "1.00 ms"],
  [1_000_000, "1.00 ms"],
  [12_345_678, "12.3 ms"],
  [999_600_000, "1.00 s"],
  [59_990_000_000, "60.0 s"],
  [3_600_000_000_000, "3600 s"],
  [-1500, "-1.50 us"],
  [NaN, ""],
])("%p nanoseconds in a table: %s", (nanoseconds, text) => {
  expect(shortDurationText(nanoseconds)).toBe(text);
});

test.each([
  [0, "0 ns"],
  [0.25, "0.3 ns"],
  [999, "999 ns"],
  [1000, "1.000 us"],
  [999_999, "999.999 us"],
  [1_000_000, "1.000 ms"],
  [1_000_000_000, "1.000 s"],
  [61_234_567_890, "61.235 s"],
  [-2500, "-2.500 us"],
])("%p nanoseconds: %s", (nanoseconds, text) => {
  expect(durationText(nanoseconds)).toBe(text);
});

test.each([
  [0, "0 bytes"],
  [999, "999 bytes"],
  [1000, "1.00 kB"],
  [12_345, "12.3 kB"],
  [1_000_000, "1.00 MB"],
  [25_200_000_000, "25.2 GB"],
  [5e15, "5000.0 TB"],
])("%p bytes: %s", (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});

test.each([
  [0, "0"],
  [0.123_45, "0.123"],
  [99.94, "99.9"],
  [100, "100"],
  [123.4, "123"],
  [999.6, "1,000"],
  [1234.5, "1,235"],
  [NaN, ""],
])("%p: %s", (value, text) => {
  expect(numberText(value)).toBe(text);
});

test("one has no plural, none has", () => {
  expect([0, 1, 2, 1n, 1_000_000n].map((count) => many(count, "event"))).toEqual([
    "0 events",
    "1 event",
    "2 events",
    "1 event",
    "1,000,000 events",
  ]);
  expect([1, 2].map((count) => many(count, "begin or end", "begins and ends"))).toEqual([
    "1 begin or end",
    "2 begins and ends",
  ]);
});
