/**
 * Data that ends too early for what it says, and sizes larger than any memory: the
 * generated code stops at the data's end, whatever the metadata makes of it. Each way
 * of reading must tell the events before the place, none after it, and the place.
 * test/ctf/tears.test.ts has the cuts and damage that real writers leave.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openTraces, type Problem } from "../../src/ctf/index.ts";
import { HEAD, packet, type PacketOptions, streamBlock, writeTrace } from "./hand-made.ts";
import { ourText } from "./oracle.ts";

const root = mkdtempSync(join(tmpdir(), "buntrace-guards-"));
afterAll(() => rmSync(root, { recursive: true }));
let directories = 0;

/** Bytes of a window of src/ctf/window.ts. */
const WINDOW = 256 * 1024;

/** Bytes of a packet before its events. */
const HEAD_BYTES = 32 + 52;

/** Bytes of an event before its body. */
const EVENT_HEAD = 12;

const TYPES = `${HEAD}
typealias integer { size = 1; align = 1; signed = false; } := u1;
typealias integer { size = 3; align = 1; signed = false; } := u3;
typealias integer { size = 8; align = 8; signed = false; encoding = UTF8; } := char;
typealias integer { size = 16; align = 16; signed = false; } := al16;
typealias integer { size = 64; align = 64; signed = false; } := al64;
typealias integer { size = 8; align = 32768; signed = false; } := al32768;
typealias struct { } align(32768) := nothing4096;
`;

/** Classes of events, none with the id 0 that zeros behind the data would say: of a byte, with the fields that are tried, and of any size. */
function metadataOf(fields: string, more = ""): string {
  return `${TYPES}${streamBlock().replace("u32 cpu_id;", `u32 cpu_id; ${more}`)}
event { name = "good"; id = 3; stream_id = 0; fields := struct { u8 v; }; };
event { name = "tried"; id = 1; stream_id = 0; fields := struct { ${fields} }; };
event { name = "long"; id = 2; stream_id = 0; fields := struct { u32 n; char s[n]; }; };`;
}

interface Event {
  readonly id: number;
  readonly body: Uint8Array;
}

const GOOD: Event = { id: 3, body: Uint8Array.of(1) };

/** A packet of events; the first has the time `begin`, and each the next nanosecond. */
function packetOf(events: readonly Event[], options: PacketOptions & { begin: bigint }): Uint8Array {
  const head = packet([], { end: options.begin + BigInt(events.length), ...options });
  const bodies = events.map(({ id, body }, at) => {
    const event = new Uint8Array(EVENT_HEAD + body.length);
    const view = new DataView(event.buffer);
    view.setUint32(0, id, true);
    view.setBigUint64(4, options.begin + BigInt(at), true);
    event.set(body, EVENT_HEAD);
    return event;
  });
  const whole = Buffer.concat([head, ...bodies]);
  whole.writeBigUInt64LE(BigInt(whole.length * 8), 48);
  whole.writeBigUInt64LE(BigInt(whole.length * 8), 56);
  return whole;
}

interface Read {
  readonly times: readonly number[];
  readonly fields: readonly unknown[];
  readonly problems: readonly Problem[];
}

/** Reads a trace as records, columns and text, and expects them to tell the same. */
function read(metadata: string, stream: Uint8Array): Read {
  directories += 1;
  const directory = writeTrace(join(root, String(directories)), { metadata, stream });
  const set = openTraces(directory);
  const zero = 1_700_000_000_000_000_005n;
  const events = [...set.events()];
  const times = events.map(({ time }) => Number((time ?? 0n) - zero));
  const { problems } = set;
  const columns = openTraces(directory);
  let rows = 0;
  for (const { length } of columns.groups()) rows += length;
  expect({ rows, problems: columns.problems }).toEqual({ rows: times.length, problems });
  const text = ourText(directory);
  expect(text.problems).toEqual(problems.map(({ message }) => message));
  expect(text.text.split("\n").length - 1).toBe(times.length);
  rmSync(directory, { recursive: true });
  return { times, fields: events.map((event) => event.fields), problems };
}

function u32(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

function u64(...values: bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values).buffer);
}

/** Bytes of zeros, with others at a place. */
function zeros(size: number, at = 0, bytes: Uint8Array = new Uint8Array(0)): Uint8Array {
  const all = new Uint8Array(size);
  all.set(bytes, at);
  return all;
}

describe("an event that says more than its packet has ends the packet", () => {
  const start = HEAD_BYTES + EVENT_HEAD + GOOD.body.length;
  /** From where the event's body is to the next place of the largest alignment. */
  const gap = 4096 - start - EVENT_HEAD;

  // Sizes of 2^32 bytes and bits: a position of 32 bits that is not checked before it moves is where it was.
  const cases: readonly (readonly [name: string, fields: string, body: Uint8Array])[] = [
    ["an array of 4 GiB", "u8 a[65536][65536];", zeros(9)],
    ["an array of 512 MiB", "u8 a[8192][65536];", zeros(9)],
    ["a field behind 4 GiB", "u8 a[65536][65536]; u8 b;", zeros(9)],
    // Behind a text it is not known beforehand how far it is to where the field is aligned.
    ["a field behind 4 GiB, to be aligned", "string s; u8 a[65536][65536]; al16 b;", zeros(gap + 9)],
    ["a field behind 512 MiB, to be aligned", "string s; u8 a[8192][65536]; al16 b;", zeros(gap + 9)],
    ["a field behind 1 GiB", "u8 a[16384][65536]; u32 b;", zeros(9)],
    ["a text behind 1 GiB", "u8 a[16384][65536]; string b;", zeros(9)],
    ["a text of 2 GiB behind 3 GiB", "u8 a[49152][65536]; char b[2147483647];", zeros(9)],
    ["texts of 1 GB", "char a[1000000000]; char b[1000000000];", zeros(9)],
    ["more numbers than columns have room for", "u8 a[2000000000];", zeros(9)],
    ["more aligned numbers than columns have room for", "al64 a[2000000000];", zeros(9)],
    ["two thousand million texts", "string a[2000000000];", zeros(9)],
    ["two thousand million elements of any size", "struct { u8 n; u8 d[n]; } a[2000000000];", zeros(9)],
    ["two thousand million variants", "enum : u8 { x } t; variant <t> { u8 x; } a[2000000000];", zeros(9)],
    ["a sequence of 2^32 bytes", "u32 n; u64 a[n];", u32(2 ** 29, 0)],
    ["a sequence of 2^32 bits", "u32 n; u64 a[n];", u32(2 ** 26, 0)],
    ["a sequence of 2^64 bytes", "u64 n; u64 a[n];", u64(2n ** 61n, 0n)],
    ["a sequence of 2^64 bits", "u64 n; u64 a[n];", u64(2n ** 58n, 0n)],
    ["a sequence of 2^32 elements without data", "u64 n; struct { } a[n];", u64(2n ** 32n)],
    ["a sequence of 2^63 elements without data", "u64 n; struct { } a[n];", u64(2n ** 63n)],
    ["a text of 2^64 bytes", "u64 n; char a[n];", u64(2n ** 64n - 1n)],
    ["sequences in a sequence", "u32 n; u32 m; u64 a[n][m];", u32(3, 2 ** 29)],
    // Of an element's 4096 bytes one bit is data, so as many elements as bits would seem to be there.
    [
      "a sequence of 2^32 bytes, most of them gaps",
      "u32 n; struct { u1 x; nothing4096 e; } a[n];",
      zeros(gap + 160_000, gap, u32(2 ** 20)),
    ],
    [
      "a sequence of texts with gaps between them",
      "u32 n; struct { string s; struct { } align(1024) e; } a[n];",
      zeros(200_000, 128 - ((start + EVENT_HEAD) % 128), u32(100_000)),
    ],
    [
      "a field behind a sequence of eight times the packet",
      "u32 n; u8 a[n]; u8 m; u8 b[m];",
      zeros(250_000, 0, u32(1_990_000)),
    ],
    ["a field to be aligned behind the packet", "al32768 a;", zeros(9)],
    ["nothing, aligned behind the packet", "nothing4096 a;", zeros(9)],
    ["a text without an end", "string a;", Uint8Array.of(1, 2, 3)],
    ["a text of a fixed length", "char a[9];", Uint8Array.of(1, 2, 3)],
  ];

  for (const [name, fields, body] of cases) {
    // With an odd bit, positions count bits.
    for (const odd of ["", "u1 odd;"]) {
      test(`${name}${odd === "" ? "" : ", and a bit"}`, () => {
        const first = packetOf([GOOD, { id: 1, body }], { begin: 0n });
        const second = packetOf([GOOD, GOOD], { begin: 10n, sequence: 1n });
        const { times, problems } = read(metadataOf(`${fields} ${odd}`), Buffer.concat([first, second]));
        expect(times).toEqual([0, 10, 11]);
        expect(problems).toMatchObject([{ kind: "corrupt", place: { packet: 0, offset: start } }]);
        expect(problems[0]?.message).toEndWith("an event goes beyond its packet's content");
      });
    }
  }

  test.each([
    ["struct { } a[40000]; struct { } b[40000];"],
    ["struct { } a[60000][60000];"],
    ["u8 n; struct { } a[60000][n];"],
    ["u8 n; struct { } a[n][60000];"],
    ["u32 n; u8 m; u64 a[n][m];"],
  ])("more elements without data than any tracer writes: %p", (fields) => {
    const stream = packetOf([GOOD, { id: 1, body: Uint8Array.of(255, 255, 255, 0, 0) }], { begin: 0n });
    const { times, problems } = read(metadataOf(fields), stream);
    expect(times).toEqual([0]);
    expect(problems).toMatchObject([{ kind: "corrupt", place: { offset: start } }]);
    expect(problems[0]?.message).toEndWith("an event with too many elements without data");
  });

  test.each([
    ["u8 a[1073741824][1073741824][1073741824];"],
    [`string a${"[1073741824]".repeat(40)};`],
    [`u8 a${"[1073741824]".repeat(40)}; al64 b;`],
  ])("an array larger than can be counted is refused: %p", (fields) => {
    const stream = packetOf([GOOD], { begin: 0n });
    expect(() => read(metadataOf(fields), stream)).toThrow(
      /metadata, line \d+: an array of more than \d+ bits/,
    );
  });
});

describe.each([
  ["in bytes", ""],
  ["in bits", "u3 odd;"],
])("an event of all kinds of fields, counted %s", (_name, odd) => {
  const metadata = metadataOf(`enum : u8 { small = 1, large = 2 } tag;
    variant <tag> { u16 small; struct { u8 m; u8 d[m]; string s; } large; } v;
    string s; u16 n; u16 list[n]; u8 k; struct { enum : u8 { x = 7 } t; variant <t> { u8 x; } o; string s; } more[k];
    char text[3]; u32 last; ${odd}`);
  const text = new TextEncoder();
  const body = Uint8Array.from(
    [
      [2, 2, 8, 9],
      [...text.encode("large\0string\0")],
      [3, 0, 1, 1, 2, 2, 3, 3, 2],
      [7, 5, ...text.encode("one\0"), 7, 6, ...text.encode("two\0")],
      [...text.encode("abc"), 1, 2, 3, 4],
      odd === "" ? [] : [5],
    ].flat(),
  );
  const value = {
    tag: "large",
    v: { m: 2, d: [8, 9], s: "large" },
    s: "string",
    n: 3,
    list: [0x101, 0x202, 0x303],
    k: 2,
    more: [
      { t: "x", o: 5, s: "one" },
      { t: "x", o: 6, s: "two" },
    ],
    text: "abc",
    last: 0x4030201,
    ...(odd === "" ? {} : { odd: 5 }),
  };
  const tried: Event = { id: 1, body };
  const size = EVENT_HEAD + body.length;
  const start = HEAD_BYTES + EVENT_HEAD + GOOD.body.length;

  /** An event of so many bytes. */
  function long(bytes: number): Event {
    const rest = bytes - EVENT_HEAD - 4;
    return { id: 2, body: Buffer.concat([u32(rest), Buffer.alloc(rest, "x")]) };
  }

  test("is read wherever a window ends in it", () => {
    for (let before = 0; before <= size; before += 1) {
      const filler = long(WINDOW - HEAD_BYTES - before);
      const stream = packetOf([filler, tried, tried, GOOD], { begin: 0n });
      const { times, fields, problems } = read(metadata, stream);
      expect({ before, times, problems }).toEqual({ before, times: [0, 1, 2, 3], problems: [] });
      expect(fields.slice(1)).toEqual([value, value, { v: 1 }]);
    }
  });

  test("is not told wherever its packet ends in it", () => {
    for (let bytes = 1; bytes < size; bytes += 1) {
      const first = Buffer.from(packetOf([GOOD, tried], { begin: 0n }));
      first.writeBigUInt64LE(BigInt((start + bytes) * 8), 48);
      const stream = Buffer.concat([first, packetOf([tried, GOOD], { begin: 10n, sequence: 1n })]);
      const { times, problems } = read(metadata, stream);
      expect({ bytes, times }).toEqual({ bytes, times: [0, 10, 11] });
      expect(problems).toMatchObject([{ kind: "corrupt", place: { packet: 0, offset: start } }]);
      expect(problems[0]?.message).toEndWith("an event goes beyond its packet's content");
    }
  });

  test("is not told wherever its file ends in it", () => {
    const stream = packetOf([GOOD, tried, tried], { begin: 0n });
    for (let missing = 1; missing < size; missing += 1) {
      const { times, problems } = read(metadata, stream.subarray(0, stream.length - missing));
      expect({ missing, times }).toEqual({ missing, times: [0, 1] });
      expect(problems).toMatchObject([{ kind: "torn", place: { packet: 0 } }]);
    }
  });
});

describe("a packet's head that says more than its file has ends the file", () => {
  // Each level has what is below it twice: so many texts stand one after the other, in no loop.
  const levels = Array.from(
    { length: 13 },
    (_none, at) => `typealias struct { t${at} a; t${at} b; } := t${at + 1};`,
  );
  const doubled = `typealias string := t0; ${levels.join(" ")}`;

  const cases: readonly (readonly [name: string, fields: string, data: Uint8Array])[] = [
    ["a field behind a long text", "char a[6000]; u32 b;", zeros(9)],
    ["a text behind a long text", "char a[6000]; string b;", zeros(9)],
    ["a field behind 2 GiB", "char a[2147483647]; u32 b;", zeros(9)],
    ["a field behind 2 GiB, to be aligned", "char a[2147483647]; al64 b;", zeros(9)],
    ["a field behind 4 GiB, to be aligned", "char a[2147483647]; char b[2147483647]; al64 c;", zeros(9)],
    [
      "a field behind a text and 4 GiB, to be aligned",
      "string s; char a[2147483647]; char b[2147483647]; al64 c;",
      zeros(9),
    ],
    [
      "a field behind texts at the file's end",
      "char z[3900]; string s; char a[900]; string b; char c[900]; u32 d;",
      zeros(3900),
    ],
    [
      "a field behind a sequence of texts at the file's end",
      "char z[3000]; u8 n; struct { string s; char a[900]; } l[n]; char c[900]; u32 d;",
      Buffer.concat([zeros(3000), Uint8Array.of(1), Buffer.alloc(902, "x")]),
    ],
    [
      "a field behind an option's text at the file's end",
      "char z[3000]; enum : u8 { x } t; variant <t> { struct { string s; char a[900]; } x; } v; char c[900]; u32 d;",
      Buffer.concat([zeros(3000), Uint8Array.of(0), Buffer.alloc(902, "x")]),
    ],
    [
      "a sequence of bits with gaps between them",
      "u32 n; struct { u1 a; struct { } align(8) e; } l[n];",
      zeros(3904, 0, u32(31_000)),
    ],
    [
      "a sequence of texts with gaps between them",
      "u32 n; struct { string s; struct { } align(1024) e; } a[n];",
      zeros(3904, 96, u32(2000)),
    ],
    ["fields to be aligned far away", "al32768 a; al32768 b; al32768 c;", zeros(9)],
    ["two thousand million texts", "string a[2000000000];", zeros(9)],
    ["two thousand million numbers", "u64 a[2000000000];", zeros(9)],
    ["two thousand million elements of any size", "struct { u8 n; u8 d[n]; } a[2000000000];", zeros(9)],
    ["two thousand million elements without data", "struct { } a[2000000000];", zeros(9)],
    ["a sequence of 2^64 bytes", "u64 n; u64 a[n];", u64(2n ** 61n, 0n)],
    ["a text of 2^64 bytes", "u64 n; char a[n];", u64(2n ** 64n - 1n)],
    ["a sequence of 2^63 elements without data", "u64 n; struct { } a[n];", u64(2n ** 63n)],
    ["sequences in a sequence", "u32 n; u32 m; u64 a[n][m];", u32(3, 2 ** 29)],
    ["a tag at the file's end", "enum : u8 { x = 1 } t; variant <t> { u8 x; } v;", zeros(0)],
    ["a text without an end", "string a;", Uint8Array.of(1, 2, 3)],
    ["thousands of texts", "t13 a;", Uint8Array.of(1, 2, 3)],
  ];

  for (const [name, fields, data] of cases) {
    for (const odd of ["", "u1 odd;"]) {
      test(`${name}${odd === "" ? "" : ", and a bit"}`, () => {
        const types = fields.includes("t13") ? `${doubled} stream {` : "stream {";
        const metadata = metadataOf("u8 v;", `${fields} ${odd}`).replace("stream {", types);
        const { times, problems } = read(metadata, packetOf([], { begin: 0n, context: data }));
        expect(times).toEqual([]);
        expect(problems).toMatchObject([{ kind: "torn", place: { packet: 0, offset: 0 } }]);
        expect(problems[0]?.message).toMatch(/the file ends after \d+ bytes of a packet's head$/);
      });
    }
  }
});
