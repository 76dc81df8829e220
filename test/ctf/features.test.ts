/**
 * What random traces do not have: TSDL's ways to name types and fields, several
 * streams and traces, losses, packetized metadata. Compared with babeltrace2, text by
 * text.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Loss, openTraces } from "../../src/ctf/index.ts";
import { babeltrace } from "../support/babeltrace.ts";
import { BitWriter } from "./bits.ts";
import { HEAD, packet, packetized, streamBlock, UUID, writeTrace } from "./hand-made.ts";
import { ourText, theirText } from "./oracle.ts";

const root = mkdtempSync(join(tmpdir(), "buntrace-features-"));
afterAll(() => rmSync(root, { recursive: true }));
let directories = 0;

function fresh(): string {
  directories += 1;
  return join(root, String(directories));
}

/** Expects both readers to say the same, and returns it. */
async function bothRead(directory: string): Promise<string> {
  const theirs = await theirText(directory);
  expect(theirs.stderr).toBe("");
  expect(theirs.status).toBe(0);
  expect(ourText(directory)).toEqual({ text: theirs.text, problems: [] });
  return theirs.text;
}

function bytes(...values: number[]): (bits: BitWriter) => void {
  return (bits) => bits.bytes(Uint8Array.from(values));
}

/** A trace of one event with these fields and this body; returns its text's fields. */
async function oneEvent(
  fields: string,
  body: (bits: BitWriter) => void,
  before = "",
  stream = "",
): Promise<string> {
  const metadata = `${HEAD}${before}${streamBlock(0, stream)}event { name = "e"; id = 0; stream_id = 0; ${fields} };`;
  const text = await bothRead(writeTrace(fresh(), { metadata, stream: packet([{ time: 7n, body }]) }));
  return text
    .replace(/^\[2023-11-14 22:13:20\.000000012\] \(\+\?\.\?{9}\) e: \{ cpu_id = 0 \}(, )?/, "")
    .trimEnd();
}

describe("types by name", () => {
  test("typealias and typedef, of integers, arrays, structures and pointers", async () => {
    const fields = `
      typealias integer { size = 8; align = 8; signed = true; } := signed char;
      typedef u8 octet, pair[2];
      typealias integer { size = 32; align = 8; signed = false; } := void *;
      typealias struct { octet x; octet y; } := point;
      fields := struct {
        signed char a; octet b; pair c; void *d; point e; point f[2];
        typedef u16 wide; wide g;
        struct inner { octet z; } h; struct inner i;
      };`;
    const text = await oneEvent(
      fields,
      bytes(255, 1, 2, 3, 0xef, 0xbe, 0, 0, 4, 5, 6, 7, 8, 9, 0x34, 0x12, 10, 11),
    );
    expect(text).toBe(
      "{ a = -1, b = 1, c = [ [0] = 2, [1] = 3 ], d = 0xBEEF, e = { x = 4, y = 5 }, " +
        "f = [ [0] = { x = 6, y = 7 }, [1] = { x = 8, y = 9 } ], g = 4660, h = { z = 10 }, i = { z = 11 } }",
    );
  });

  test("names of several words, and keywords as field names", async () => {
    const before = `typealias integer { size = 16; align = 8; signed = false; } := unsigned short;
      typealias integer { size = 32; align = 8; signed = true; } := const int;`;
    const fields = "fields := struct { unsigned short _event; const int _stream; u8 _string; u8 _align; };";
    expect(await oneEvent(fields, bytes(1, 0, 255, 255, 255, 255, 3, 4), before)).toBe(
      "{ event = 1, stream = -1, string = 3, align = 4 }",
    );
  });

  test("a scope's names hide those around it, and end with it", async () => {
    const before = "typealias integer { size = 8; align = 8; signed = false; } := t;";
    const fields = `
      typealias integer { size = 16; align = 8; signed = false; } := t;
      fields := struct { t a; struct { typealias integer { size = 32; align = 8; } := t; t b; } c; t d; };`;
    expect(await oneEvent(fields, bytes(1, 1, 2, 0, 0, 0, 3, 3), before)).toBe(
      "{ a = 257, c = { b = 2 }, d = 771 }",
    );
  });

  test("enumerations of the alias int, by name, with values that count on", async () => {
    const before = `typealias integer { size = 8; align = 8; signed = true; } := int;
      enum colour { RED, GREEN = 4, BLUE, "dark blue" = 5 };`;
    const fields = "fields := struct { enum colour a; enum colour b[2]; enum { X = -2, Y } c; };";
    expect(await oneEvent(fields, bytes(0, 5, 9, 255), before)).toBe(
      '{ a = ( "RED" : container = 0 ), b = [ [0] = ( "BLUE", "dark blue" : container = 5 ), ' +
        '[1] = ( <unknown> : container = 9 ) ], c = ( "Y" : container = -1 ) }',
    );
  });

  test("arrays of arrays, and lengths from the environment", async () => {
    const before = "env { rows = 2; };";
    const fields = "fields := struct { u8 a[env.rows][3]; };";
    expect(await oneEvent(fields, bytes(1, 2, 3, 4, 5, 6), before)).toBe(
      "{ a = [ [0] = [ [0] = 1, [1] = 2, [2] = 3 ], [1] = [ [0] = 4, [1] = 5, [2] = 6 ] ] }",
    );
  });
});

describe("references", () => {
  test("to the packet's header and context, the event's header and contexts, and fields before", async () => {
    const fields = `fields := struct {
      struct { u8 len; } s;
      u8 a[s.len];
      u8 b[stream.packet.context.cpu_id];
      u8 c[stream.event.context.n];
      u8 d[stream.event.header.id];
      u8 e[trace.packet.header.stream_id];
      u8 f[event.fields.s.len];
    };`;
    const metadata = `${HEAD}${streamBlock(1, "event.context := struct { u8 n; };")}
      event { name = "e"; id = 2; stream_id = 1; ${fields} };`;
    const body = bytes(3, 2, 10, 11, 20, 30, 31, 32, 40, 41, 50, 60, 61);
    const stream = packet([{ id: 2, time: 1n, body }], { streamId: 1, cpu: 1 });
    const text = await bothRead(writeTrace(fresh(), { metadata, stream }));
    expect(text).toContain(
      "{ n = 3 }, { s = { len = 2 }, a = [ [0] = 10, [1] = 11 ], b = [ [0] = 20 ], " +
        "c = [ [0] = 30, [1] = 31, [2] = 32 ], d = [ [0] = 40, [1] = 41 ], e = [ [0] = 50 ], f = [ [0] = 60, [1] = 61 ] }",
    );
  });

  test("of a variant to an enumeration outside of it, and of one named before its tag", async () => {
    const before = "variant choice { u8 small; u32 large; struct { } none; };";
    const fields = `fields := struct {
      enum : u8 { small, large, none } kind;
      variant choice <kind> first;
      struct { variant <kind> { u16 small; string large; u8 none; } inner; } second;
    };`;
    expect(await oneEvent(fields, bytes(1, 1, 2, 3, 4, 104, 105, 0), before)).toBe(
      '{ kind = ( "large" : container = 1 ), first = { 67305985 }, second = { inner = { "hi" } } }',
    );
    expect(await oneEvent(fields, bytes(2, 9), before)).toBe(
      '{ kind = ( "none" : container = 2 ), first = { { } }, second = { inner = { 9 } } }',
    );
  });

  test("in a structure of an array, to the element's own length", async () => {
    const fields = "fields := struct { u8 n; struct { u8 len; u8 data[len]; string s; } list[n]; };";
    expect(await oneEvent(fields, bytes(2, 1, 7, 97, 0, 2, 8, 9, 98, 0))).toBe(
      '{ n = 2, list = [ [0] = { len = 1, data = [ [0] = 7 ], s = "a" }, ' +
        '[1] = { len = 2, data = [ [0] = 8, [1] = 9 ], s = "b" } ] }',
    );
  });

  test("of event contexts, which babeltrace2 2.0 cannot resolve", () => {
    const metadata = `${HEAD}${streamBlock()}event { name = "e"; id = 0; stream_id = 0;
      context := struct { u8 n; u8 list[n]; }; fields := struct { u8 more[event.context.n]; }; };`;
    const stream = packet([{ time: 1n, body: bytes(2, 5, 6, 7, 8) }]);
    const [event] = openTraces(writeTrace(fresh(), { metadata, stream })).events();
    expect(event?.context).toEqual({ n: 2, list: [5, 6] });
    expect(event?.fields).toEqual({ more: [7, 8] });
  });
});

describe("values", () => {
  test("empty texts, which babeltrace2 2.0 shows as the text before", () => {
    const metadata = `${HEAD}${streamBlock()}event { name = "e"; id = 0; stream_id = 0; fields := struct {
      string a; u8 n; integer { size = 8; encoding = UTF8; } b[n]; integer { size = 8; encoding = ASCII; } c[2]; }; };`;
    const stream = packet([
      { time: 1n, body: bytes(120, 0, 1, 121, 122, 122) },
      { time: 2n, body: bytes(0, 0, 0, 0) },
    ]);
    const events = [...openTraces(writeTrace(fresh(), { metadata, stream })).events()];
    expect(events.map(({ fields }) => fields)).toEqual([
      { a: "x", n: 1, b: "y", c: "zz" },
      { a: "", n: 0, b: "", c: "" },
    ]);
  });

  test("hexadecimal integers of 61 to 63 bits, which babeltrace2 2.0 shows as 0x0", () => {
    const metadata = `${HEAD}${streamBlock()}event { name = "e"; id = 0; stream_id = 0; fields := struct {
      integer { size = 63; align = 8; base = 16; } a; }; };`;
    const stream = packet([{ time: 1n, body: bytes(1, 2, 3, 4, 5, 6, 7, 8) }]);
    expect(ourText(writeTrace(fresh(), { metadata, stream })).text).toContain("{ a = 0x807060504030201 }");
  });

  test("floats as printf's %g", async () => {
    const values = [
      0.1,
      1 / 3,
      123456.5,
      1234565,
      1e15,
      1e16,
      123456789,
      5e-324,
      Number.MAX_VALUE,
      0.0001,
      0.00001,
      100000.5,
      100001.5,
      999999.5,
      999998.5,
      2.5e-7,
      1e21,
      -0.5,
      65504,
      3.0000005,
      0.0001234565,
      1234567.5,
      12345650,
      12345750,
      1234565000000000,
      1234575e14,
      0.5,
      0.125,
      0.015625,
      1.000005,
      2 ** -20,
      1.5 * 2 ** -19,
      7.62939453125e-6,
    ];
    const fields = `fields := struct { floating_point { exp_dig = 11; mant_dig = 53; align = 8; } v[${values.length}]; };`;
    await oneEvent(fields, (bits) => bits.bytes(new Uint8Array(Float64Array.from(values).buffer)));
  });

  test("a bool is an enumeration of false and true", () => {
    const metadata = `${HEAD}${streamBlock()}event { name = "e"; id = 0; stream_id = 0; fields := struct {
      enum : u8 { false, true } yes; enum : u8 { false, true } no; enum : u8 { false, true } broken; }; };`;
    const stream = packet([{ time: 1n, body: bytes(1, 0, 7) }]);
    const [event] = openTraces(writeTrace(fresh(), { metadata, stream })).events();
    expect(event?.fields).toEqual({ yes: true, no: false, broken: 7 });
  });

  test("a field named __proto__ is a field", () => {
    const metadata = `${HEAD}${streamBlock()}event { name = "e"; id = 0; stream_id = 0;
      fields := struct { u8 ___proto__; }; };`;
    const stream = packet([{ time: 1n, body: bytes(9) }]);
    const [event] = openTraces(writeTrace(fresh(), { metadata, stream })).events();
    expect(Object.entries(event?.fields ?? {})).toEqual([["__proto__", 9]]);
  });
});

describe("streams and traces", () => {
  const event = `event { name = "a"; id = 0; stream_id = 0; fields := struct { u8 v; }; };
    event { name = "b"; id = 0; stream_id = 1; fields := struct { u16 v; }; };`;
  const two = `${HEAD}${streamBlock(0)}${streamBlock(1)}${event}`;

  test("several stream classes and streams, merged by time; ties in babeltrace2's order", async () => {
    const times = (start: bigint, step: bigint): bigint[] =>
      Array.from({ length: 50 }, (_n, at) => start + BigInt(at) * step);
    const directory = writeTrace(fresh(), {
      metadata: two,
      // Names against the order of numbers, times in common.
      z: packet(
        times(10n, 3n).map((time) => ({ time, body: bytes(1) })),
        { instance: 1n },
      ),
      y: packet(
        times(10n, 2n).map((time) => ({ time, body: bytes(2) })),
        { instance: 2n },
      ),
      x: packet(
        times(11n, 5n).map((time) => ({ time, body: bytes(3, 0) })),
        { streamId: 1, instance: 1n },
      ),
    });
    mkdirSync(join(directory, "index"));
    writeFileSync(join(directory, "index", "z.idx"), "not an index");
    writeFileSync(join(directory, ".hidden"), "not a stream");
    writeFileSync(join(directory, "empty"), "");
    await bothRead(directory);
  });

  test("traces in directories below, merged by time", async () => {
    const directory = fresh();
    for (const [at, name] of ["one", "deep/two"].entries()) {
      const metadata = two
        .replace(UUID, UUID.replace("0011", `00${at}1`))
        .replace('name = "clk"', 'name = "clk"; absolute = true');
      const events = [1n, 5n, 9n].map((time) => ({ time: time + BigInt(at), body: bytes(at) }));
      const stream = packet(events);
      // The packets carry the UUID too.
      stream[5] = at * 16 + 1;
      writeTrace(join(directory, name), { metadata, stream });
    }
    await bothRead(directory);
  });

  test("a stream in several files, with packets in common", async () => {
    const directory = fresh();
    const [p0, p1, p2] = [0n, 1n, 2n].map((sequence) =>
      packet(
        [1n, 2n].map((time) => ({ time: sequence * 10n + time, body: bytes(Number(sequence)) })),
        { sequence, instance: 4n },
      ),
    );
    if (p0 === undefined || p1 === undefined || p2 === undefined) throw new Error("three packets");
    writeTrace(join(directory, "snapshot-1"), { metadata: two, s: Buffer.concat([p0, p1]) });
    writeTrace(join(directory, "snapshot-2"), { metadata: two, s: Buffer.concat([p1, p2]) });
    const text = await bothRead(directory);
    expect(text.trimEnd().split("\n")).toHaveLength(6);
  });

  test("the metadata in packets, of both byte orders", async () => {
    const stream = packet([{ time: 1n, body: bytes(1) }]);
    for (const littleEndian of [true, false]) {
      await bothRead(writeTrace(fresh(), { metadata: packetized(two, littleEndian), stream }));
    }
  });

  test("packets without sizes, headers, contexts or clocks", async () => {
    const metadata = `/* CTF 1.8 */ trace { major = 1; minor = 8; byte_order = be; };
      event { name = "only"; fields := struct { integer { size = 16; align = 8; } v; }; };`;
    await bothRead(writeTrace(fresh(), { metadata, stream: Uint8Array.of(1, 2, 3, 4) }));
  });

  test("more streams than files may be open", () => {
    const files: Record<string, string | Uint8Array> = { metadata: two };
    for (let at = 0; at < 600; at += 1) {
      files[`s${at}`] = packet([{ time: BigInt(1000 - at), body: bytes(1) }], { instance: BigInt(at) });
    }
    // Other tests of this process may have files open.
    const openFiles = (): number => readdirSync("/proc/self/fd").length;
    const before = openFiles();
    const set = openTraces(writeTrace(fresh(), files));
    const times = [...set.events()].map(({ time }) => time ?? 0n);
    expect(times).toHaveLength(600);
    expect(openFiles() - before).toBeLessThan(300);
    set.close();
    expect(openFiles() - before).toBeLessThanOrEqual(0);
    expect(times).toEqual(times.toSorted((one, other) => Number(one - other)));
  });
});

describe("times", () => {
  test("a truncated timestamp wraps once between events, and counts from the packet's begin", async () => {
    const metadata = `${HEAD}stream { id = 0;
      packet.context := struct { time timestamp_begin; time timestamp_end; u64 content_size; u64 packet_size;
        u64 packet_seq_num; u64 events_discarded; u32 cpu_id; };
      event.header := struct { u32 id; integer { size = 27; align = 1; map = clock.clk.value; } timestamp;
        integer { size = 5; align = 1; } rest; integer { size = 32; align = 8; } fill; };
      }; event { name = "e"; id = 0; stream_id = 0; fields := struct { u8 v; }; };`;
    const wrap = 2n ** 27n;
    // The 64 bits that packet() gives a time are 27 of the time, and 37 that fill.
    const event = (time: bigint): { time: bigint; body: (bits: BitWriter) => void } => ({
      time: time % wrap,
      body: bytes(1),
    });
    const first = packet([event(wrap * 3n + 5n), event(wrap * 4n + 4n), event(wrap * 4n + 4n)], {
      begin: wrap * 3n,
      end: wrap * 4n + 10n,
    });
    const second = packet([event(wrap * 100n + 1n), event(wrap * 101n - 1n), event(wrap * 101n + 7n)], {
      begin: wrap * 100n,
      end: wrap * 101n + 7n,
      sequence: 1n,
    });
    const text = await bothRead(writeTrace(fresh(), { metadata, stream: Buffer.concat([first, second]) }));
    const seconds = (cycles: bigint): string => String((cycles + 5n) / 1_000_000_000n + 20n).padStart(2, "0");
    expect(text.split("\n")[3]).toContain(`:${seconds(wrap * 100n + 1n)}.`);
  });

  test("nanoseconds as babeltrace2 rounds them, to the ends of the range", async () => {
    for (const [frequency, offset] of [
      [2_899_999_999n, 0n],
      [1_000_000_000n, 0n],
      [3n, 1_600_000_000n],
      [999_999_937n, 12n],
      [24_000_000n, 5n],
    ] as const) {
      const metadata = `${HEAD.replace("freq = 1000000000; offset_s = 1700000000", `freq = ${frequency}; offset_s = ${offset}`)}
        ${streamBlock()}event { name = "e"; id = 0; stream_id = 0; fields := struct { u8 v; }; };`;
      const largest = 8_000_000_000n * frequency < 2n ** 63n ? 8_000_000_000n * frequency : 2n ** 63n;
      const times = [
        0n,
        1n,
        12345n,
        2n ** 32n,
        2n ** 52n + 1n,
        2n ** 53n + 1n,
        2n ** 53n + 3n,
        2n ** 60n + 12_345n,
      ]
        .filter((time) => time < largest)
        .map((time) => ({ time, body: bytes(1) }));
      await bothRead(writeTrace(fresh(), { metadata, stream: packet(times) }));
    }
  });

  test("a clock value in an event's fields moves the clock", async () => {
    const before = `typealias integer { size = 16; align = 8; signed = false; map = clock.clk.value; } := short_time;`;
    const metadata = `${HEAD}${before}stream { id = 0;
      packet.context := struct { time timestamp_begin; time timestamp_end; u64 content_size; u64 packet_size;
        u64 packet_seq_num; u64 events_discarded; u32 cpu_id; };
      event.header := struct { u32 id; short_time timestamp; u16 a; u32 b; }; };
      event { name = "e"; id = 0; stream_id = 0; fields := struct { time later; u8 v; }; };`;
    const body = (high: number): ((bits: BitWriter) => void) => bytes(20, 0, 0, high, 0, 0, 0, 0, 3);
    const stream = packet(
      [
        { time: 10n, body: body(1) },
        { time: 9n, body: body(2) },
        { time: 30n, body: body(3) },
      ],
      { end: 2n ** 30n },
    );
    const text = await bothRead(writeTrace(fresh(), { metadata, stream }));
    // 9 comes after 20 of the event before: the clock wrapped at 16 bits.
    expect(text.split("\n")[1]).toContain(".016842766]");
  });
});

describe("losses", () => {
  const metadata = `${HEAD}${streamBlock()}event { name = "e"; id = 0; stream_id = 0; fields := struct { u8 v; }; };`;
  const event = { body: bytes(1) };

  test("discarded events and lost packets, counted as babeltrace2 counts them", async () => {
    const stream = Buffer.concat([
      packet([{ time: 1n, ...event }], { sequence: 0n, discarded: 0n }),
      packet([{ time: 20n, ...event }], { sequence: 1n, discarded: 5n, padding: 9 }),
      packet([], { begin: 30n, end: 31n, sequence: 2n, discarded: 6n }),
      packet([{ time: 40n, ...event }], { sequence: 7n, discarded: 6n }),
    ]);
    const directory = writeTrace(fresh(), { metadata, stream });
    const set = openTraces(directory);
    const losses: Loss[] = [];
    for (const { batch, from } of set.runs()) if (from === 0) losses.push(...batch.losses);
    expect(losses.map(({ kind, count }) => [kind, count])).toEqual([
      ["events", 5n],
      ["events", 1n],
      ["packets", 4n],
    ]);
    const zero = 1_700_000_000_000_000_005n;
    expect(losses.map(({ from, to }) => [(from ?? 0n) - zero, (to ?? 0n) - zero])).toEqual([
      [1n, 20n],
      [20n, 31n],
      [31n, 40n],
    ]);
    const { stderr } = await babeltrace(["--clock-seconds", directory]);
    expect(stderr.match(/discarded \d+ \w+/g)).toEqual([
      "discarded 5 events",
      "discarded 1 event",
      "discarded 4 packets",
    ]);
  });

  test("counts that wrap go on", () => {
    const last = 2n ** 64n - 1n;
    const stream = Buffer.concat([
      packet([{ time: 1n, ...event }], { sequence: last, discarded: last - 1n }),
      packet([{ time: 20n, ...event }], { sequence: 1n, discarded: 3n }),
    ]);
    const set = openTraces(writeTrace(fresh(), { metadata, stream }));
    const losses: Loss[] = [];
    for (const { batch, from } of set.runs()) if (from === 0) losses.push(...batch.losses);
    expect(losses.slice(1).map(({ kind, count }) => [kind, count])).toEqual([
      ["events", 5n],
      ["packets", 1n],
    ]);
  });

  test("a stream that begins in its middle lost events it cannot count", () => {
    const stream = packet([{ time: 1n, ...event }], { sequence: 12n, discarded: 3n });
    const [run] = openTraces(writeTrace(fresh(), { metadata, stream })).runs();
    expect(run?.batch.losses).toMatchObject([{ kind: "events", count: undefined }]);
  });

  test("a stream that begins with its first packet counts them", () => {
    const stream = packet([{ time: 1n, ...event }], { sequence: 0n, discarded: 3n });
    const [run] = openTraces(writeTrace(fresh(), { metadata, stream })).runs();
    expect(run?.batch.losses).toMatchObject([{ kind: "events", count: 3n }]);
  });
});
