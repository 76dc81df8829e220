/**
 * Array fields: short ones are stored element by element, long ones in one copy. Each
 * type at every length where the ways change, in each guise that an array may have, is what babeltrace2 reads.
 */
import { expect, setDefaultTimeout, test } from "bun:test";

import { type FieldType, provider } from "../../src/index.ts";
import { recordHere } from "../support/record-here.ts";

setDefaultTimeout(120_000);

const STAGING_BYTES = 1024 * 1024;

type Numbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** What a copy could ask of a subclass. */
const ASKED = [
  "length",
  "buffer",
  "byteOffset",
  "byteLength",
  "BYTES_PER_ELEMENT",
  "constructor",
  "subarray",
];

/** The array as one of a subclass that answers nothing of all that. */
function silent(array: Numbers): Numbers {
  for (const name of [...ASKED, Symbol.iterator, Symbol.toStringTag])
    Object.defineProperty(array, name, {
      get() {
        throw new Error(`asked for ${String(name)}`);
      },
    });
  return array;
}

/** The same elements at an odd place in a larger buffer of that kind. */
function within(array: Numbers, make: (bytes: number) => ArrayBufferLike): Numbers {
  const buffer = make(array.byteLength + 24);
  const Type = array.constructor as new (buffer: ArrayBufferLike, at: number, length: number) => Numbers;
  const inside = new Type(buffer, 8, array.length);
  for (let i = 0; i < array.length; i++) inside[i] = array[i]!;
  return inside;
}

const GUISES: Readonly<Record<string, (array: Numbers) => unknown>> = {
  itself: (array) => array,
  list: (array) => Array.from<unknown>(array as ArrayLike<unknown>),
  part: (array) => within(array, (bytes) => new ArrayBuffer(bytes)),
  shared: (array) => within(array, (bytes) => new SharedArrayBuffer(bytes)),
  resizable: (array) => within(array, (bytes) => new ArrayBuffer(bytes, { maxByteLength: 2 * bytes })),
  silent: (array) => silent(within(array, (bytes) => new ArrayBuffer(bytes))),
};

const random = (bits: number, i: number): number => Math.imul(i + 1, 0x9e3779b1) >>> (32 - bits);

/** Of each type an array of so many elements, none like its neighbours; floats of six digits, which is what babeltrace2 prints. */
const TYPES: readonly (readonly [type: FieldType, bytes: number, make: (length: number) => Numbers])[] = [
  ["bytes", 1, (length) => Uint8Array.from({ length }, (_, i) => random(8, i))],
  ["i8[]", 1, (length) => Int8Array.from({ length }, (_, i) => random(8, i) - 128)],
  ["u16[]", 2, (length) => Uint16Array.from({ length }, (_, i) => random(16, i))],
  ["i32[]", 4, (length) => Int32Array.from({ length }, (_, i) => random(32, i) | 0)],
  ["u64[]", 8, (length) => BigUint64Array.from({ length }, (_, i) => BigInt(random(32, i)) << 31n)],
  ["i64[]", 8, (length) => BigInt64Array.from({ length }, (_, i) => -(BigInt(random(32, i)) << 31n))],
  ["f32[]", 4, (length) => Float32Array.from({ length }, (_, i) => random(8, i) / 8)],
  ["f64[]", 8, (length) => Float64Array.from({ length }, (_, i) => -random(8, i) / 8)],
  ["u53[]", 8, (length) => Float64Array.from({ length }, (_, i) => random(32, i) * 65536)],
];

test.each(TYPES)("%s", async (type, bytes, make) => {
  const most = 65536 / bytes;
  const lengths = [0, 1, 23, 24, 25, 26, 99, 100, 101, 102, 1000, most - 1, most, most + 1, most + 1000];
  // More than the staging area holds.
  if (type === "bytes") lengths.push(STAGING_BYTES + 1);
  const point = provider("test").tracepoint("array", [
    ["before", "u32"],
    ["list", type],
    ["after", "string"],
  ]) as (before: number, list: unknown, after: string) => void;
  const guises = Object.entries(GUISES);
  const { events, altered } = await recordHere(
    () => {
      for (const length of lengths)
        for (const [name, guise] of guises) point(length, guise(make(length)), name);
    },
    { mode: "block" },
  );
  const cut = lengths.filter((length) => length > most).length;
  expect(altered).toBe(cut * guises.length);
  expect(events).toHaveLength(lengths.length * guises.length);
  for (const [i, { fields }] of events.entries()) {
    const length = lengths[Math.floor(i / guises.length)]!;
    const { before, list, after } = fields as { before: number; list: unknown[]; after: string };
    expect([before, after]).toEqual([length, guises[i % guises.length]![0]]);
    expect(list).toHaveLength(Math.min(length, most));
    const expected = Array.from<unknown>(make(Math.min(length, most)) as ArrayLike<unknown>);
    const same = list.every((value, at) => Number(value) === Number(expected[at]));
    expect({ length, after, same }).toEqual({ length, after, same: true });
  }
});
