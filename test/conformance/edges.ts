/**
 * Edge values of every field type: limits, what wraps around, what is no number,
 * and text at the limit of length. Runs in the test process.
 */
import type { FieldType } from "../../src/ctf/fields.ts";
import { LIMIT_BYTES } from "../support/expected.ts";

function numbers(text: string): number[] {
  return text.trim().split(/\s+/).map(Number);
}

/** For float fields. */
export const DOUBLES = numbers(`
  0 -0 1 -1 1.5 0.1 -0.1 NaN Infinity -Infinity 255.9 -128.9 9007199254740994 3.4028235677973366e38 5e-324
  2.2250738585072014e-308 1.7976931348623157e308 1.401298464324817e-45 1.1754943508222875e-38 1e-46 3.5e38`);

/** For integer fields: around every power of two that a type ends at, and fractions. */
export const INTEGERS = [
  ...[7, 8, 15, 16, 31, 32, 53, 63, 64, 80].flatMap((power) =>
    [-1, 0, 1, 7].flatMap((step) => [2 ** power + step, -(2 ** power) + step]),
  ),
  ...numbers("0 -0 1 -1 0.9 -0.9 1.5 -1.5 255.99 NaN Infinity -Infinity 1e300 5e-324"),
];

/** For 64-bit fields. */
export const BIG_INTEGERS = [0n, 1n, 31n, 32n, 53n, 63n, 64n, 200n].flatMap((power) =>
  [-1n, 0n, 1n, 5n].flatMap((step) => [2n ** power + step, -(2n ** power) + step]),
);

const STRINGS = [
  ..."a| |ü|€|😀|👩‍👩‍👧|\ufeff|\ufffd|\u2028\u2029\u0085|\x01\x07\b\t\n\v\f\r\x1b\x7f|\"'\\?|ÿ".split("|"),
  ..."\0|\0\0|a\0|\0b|\ud800|\udc00|\ud83d x|\udc00\ud800".split("|"),
  "x".repeat(200),
  "ü".repeat(200),
  "",
];

/** Around the length up to which texts are stored character by character: what that way leaves, last. */
const SHORT_STRINGS = ["a", "ü", "\0", "\x7f", "\x80"].flatMap((character) =>
  [23, 24, 25].map((length) => "x".repeat(length - 1) + character),
);

/** Each kind of character before, at and across the limit. */
const LONG_STRINGS = ["a", "ü", "€", "😀", "\ud800", "\0"].flatMap((character) =>
  [-5, -4, -3, -2, -1, 0, 1].map((step) => "x".repeat(LIMIT_BYTES + step) + character),
);

const BEYOND = ["x".repeat(200_000), "😀".repeat(16384), "€".repeat(30_000)];

/** Field types and values of them. */
export const EDGE_CASES: readonly (readonly [FieldType, readonly unknown[]])[] = [
  ...(["u8", "u16", "u32", "u53", "i8", "i16", "i32"] as const).map((type) => [type, INTEGERS] as const),
  ...(["u64", "i64"] as const).map((type) => [type, BIG_INTEGERS] as const),
  ...(["f32", "f64"] as const).map((type) => [type, [...DOUBLES, ...INTEGERS]] as const),
  ["bool", [true, false]],
  ["string", [...STRINGS, ...SHORT_STRINGS, ...LONG_STRINGS, ...BEYOND]],
  ["bytes", [0, 1, LIMIT_BYTES, LIMIT_BYTES + 1].map((length) => new ArrayBuffer(length))],
  ["bytes", [Uint8Array.from({ length: 256 }, (_, i) => i).buffer]],
  [{ enum: ["a", "b c", "?'"] }, ["a", "b c", "?'", "z", ""]],
  [{ enum: { a: 0, big: 2 ** 32 - 2 } }, ["a", "big"]],
  ["u8[]", [[], [1, 256, -1], Array.from({ length: LIMIT_BYTES + 1 }, () => 7)]],
  ["u53[]", [[], [2 ** 53, -1, 0.5], Array.from({ length: LIMIT_BYTES / 8 + 1 }, () => 2 ** 40)]],
  ["i64[]", [[], [-1n, 2n ** 63n], Array.from({ length: LIMIT_BYTES / 8 }, () => -5n)]],
  ["f64[]", [[], DOUBLES, new Float64Array(LIMIT_BYTES / 8 + 1)]],
  ["f32[]", [[], DOUBLES, new Float32Array(DOUBLES)]],
];
