/**
 * Traces as deaths and full disks leave them: cut anywhere, with zeros or garbage at
 * their ends. Everything up to the tear is read, and the tear is told.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CtfError, openTraces, type Problem } from "../../src/ctf/index.ts";
import { HEAD, packet, streamBlock, writeTrace } from "./hand-made.ts";

const root = mkdtempSync(join(tmpdir(), "buntrace-tears-"));
afterAll(() => rmSync(root, { recursive: true }));
let directories = 0;

const METADATA = `${HEAD}${streamBlock()}
event { name = "e"; id = 0; stream_id = 0; fields := struct { u8 v; string s; }; };
event { name = "f"; id = 1; stream_id = 0; fields := struct { u32 n; u8 list[n]; }; };
event { name = "g"; id = 2; stream_id = 0; fields := struct { enum : u8 { a = 1 } tag; variant <tag> { u8 a; } v; }; };`;

/** Bytes of the packets below before their first event: header, context. */
const HEAD_BYTES = 32 + 52;
/** Bytes of one of their events. */
const EVENT_BYTES = 12 + 1 + 4;

function events(count: number, from: number): Uint8Array {
  return packet(
    Array.from({ length: count }, (_none, at) => ({
      time: BigInt(from + at),
      body: (bits) => bits.bytes(new TextEncoder().encode(`${(from + at) % 10}abc\0`)),
    })),
    { sequence: BigInt(from) },
  );
}

function read(stream: Uint8Array, metadata = METADATA): { times: bigint[]; problems: readonly Problem[] } {
  directories += 1;
  const set = openTraces(writeTrace(join(root, String(directories)), { metadata, "thread-1": stream }));
  const zero = 1_700_000_000_000_000_005n;
  const times = [...set.events()].map(({ time }) => (time ?? 0n) - zero);
  return { times, problems: set.problems };
}

describe("a file cut at every byte", () => {
  const whole = Buffer.concat([events(3, 0), events(4, 3)]);
  const first = HEAD_BYTES + 3 * EVENT_BYTES;

  test("gives the events before the cut, and says where it is", () => {
    for (let size = 1; size < whole.length; size += 1) {
      const inPacket = size < first ? size : size - first;
      const complete =
        Math.max(0, Math.floor((inPacket - HEAD_BYTES) / EVENT_BYTES)) + (size < first ? 0 : 3);
      const { times, problems } = read(whole.subarray(0, size));
      expect(times).toEqual(Array.from({ length: complete }, (_none, at) => BigInt(at)));
      if (size === first) {
        expect(problems).toEqual([]);
        continue;
      }
      expect(problems).toMatchObject([{ kind: "torn", place: { packet: size < first ? 0 : 1 } }]);
      expect(problems[0]?.place.file).toEndWith("/thread-1");
      expect(problems[0]?.message).toContain(`thread-1, packet ${size < first ? 0 : 1}, offset `);
    }
  });
});

describe("after the last packet", () => {
  const whole = events(3, 0);

  test("zeros are a tear", () => {
    const { times, problems } = read(Buffer.concat([whole, new Uint8Array(5000)]));
    expect(times).toHaveLength(3);
    expect(problems).toMatchObject([{ kind: "torn", place: { offset: whole.length, packet: 1 } }]);
  });

  test("zeros alone, as a file that was only made longer, are a tear", () => {
    expect(read(new Uint8Array(5000))).toMatchObject({
      times: [],
      problems: [{ kind: "torn", place: { offset: 0 } }],
    });
  });

  test("garbage is a tear", () => {
    const { times, problems } = read(Buffer.concat([whole, Buffer.alloc(5000, "garbage")]));
    expect(times).toHaveLength(3);
    expect(problems).toMatchObject([{ kind: "torn", place: { offset: whole.length, packet: 1 } }]);
  });

  test("a packet of another trace is damage", () => {
    const other = events(3, 3);
    other[4] = 0x77;
    const { times, problems } = read(Buffer.concat([whole, other]));
    expect(times).toHaveLength(3);
    expect(problems).toMatchObject([{ kind: "corrupt", place: { offset: whole.length, packet: 1 } }]);
  });
});

describe("damage in a packet ends the packet, not the reading", () => {
  const [one, three] = [events(2, 0), events(2, 4)];

  function between(damaged: Uint8Array, message: string, kind: Problem["kind"] = "corrupt"): void {
    const { times, problems } = read(Buffer.concat([one, damaged, three]));
    expect(times).toEqual([0n, 1n, 2n, 4n, 5n]);
    expect(problems).toMatchObject([{ kind, place: { packet: 1 } }]);
    expect(problems[0]?.message).toContain(message);
  }

  const whole = {
    time: 2n,
    body: (bits: { bytes(bytes: Uint8Array): void }) => bits.bytes(Uint8Array.of(1, 0)),
  };

  test("an event that the metadata does not have", () => {
    between(packet([whole, { id: 9, time: 3n }]), "no event with the id 9");
  });

  test("an event larger than its packet", () => {
    between(
      packet([whole, { time: 3n, body: (bits) => bits.bytes(Uint8Array.of(1, 2, 3)) }]),
      "beyond its packet",
    );
  });

  test("a sequence longer than its packet", () => {
    const body = (bits: { bytes(bytes: Uint8Array): void }): void =>
      bits.bytes(Uint8Array.of(255, 255, 255, 255, 1));
    between(packet([whole, { id: 1, time: 3n, body }]), "beyond its packet");
  });

  test("a time beyond 64 bits of nanoseconds", () => {
    const slow = METADATA.replace("freq = 1000000000", "freq = 1");
    const event = { time: 2n ** 63n, body: whole.body };
    const { problems } = read(packet([event], { begin: 0n, end: 5n }), slow);
    expect(problems).toMatchObject([{ kind: "corrupt", place: { packet: 0 } }]);
    expect(problems[0]?.message).toContain("64 bits of nanoseconds");
  });

  test("a tag without an option", () => {
    const body = (bits: { bytes(bytes: Uint8Array): void }): void => bits.bytes(Uint8Array.of(7, 7));
    between(packet([whole, { id: 2, time: 3n, body }]), "tag has no option");
  });
});

describe("damage in a packet's head ends its file, and no other", () => {
  function withSizes(content: bigint, size: bigint): Uint8Array {
    const bytes = events(2, 0);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(32 + 16, content, true);
    view.setBigUint64(32 + 24, size, true);
    return bytes;
  }

  test.each([
    ["no size", 0n, 0n],
    ["more content than packet", 8n * 118n, 8n * 100n],
    ["less content than head", 8n, 8n * 118n],
    ["a size that is no bytes", 8n * 117n, 8n * 118n + 1n],
  ])("%s", (_name, content, size) => {
    const { times, problems } = read(withSizes(content, size));
    expect(times).toEqual([]);
    expect(problems).toMatchObject([{ kind: "corrupt", place: { offset: 0, packet: 0 } }]);
  });

  test("a packet of a stream that the metadata does not have", () => {
    const { times, problems } = read(Buffer.concat([events(2, 0), packet([], { streamId: 5, begin: 9n })]));
    expect(times).toEqual([0n, 1n]);
    expect(problems).toMatchObject([{ kind: "corrupt", place: { packet: 1 } }]);
    expect(problems[0]?.message).toEndWith("the metadata has no stream 5");
  });

  test("a packet of another stream class than the one before", () => {
    const other = packet([{ time: 9n }], { streamId: 1 });
    const two = `${METADATA}${streamBlock(1)}event { name = "h"; id = 0; stream_id = 1; };`;
    const { times, problems } = read(Buffer.concat([events(2, 0), other]), two);
    expect(times).toEqual([0n, 1n]);
    expect(problems).toMatchObject([{ kind: "corrupt", place: { packet: 1 } }]);
    expect(problems[0]?.message).toEndWith("a packet of stream class 1 follows");
  });

  test("a file that is no stream is told, and the streams are read", () => {
    directories += 1;
    const directory = writeTrace(join(root, String(directories)), {
      metadata: METADATA,
      "notes.txt": "these are notes and no stream of a trace ".repeat(10),
      "thread-1": events(3, 0),
    });
    const set = openTraces(directory);
    expect([...set.events()]).toHaveLength(3);
    expect(set.problems).toMatchObject([{ kind: "corrupt" }]);
    expect(set.problems[0]?.message).toContain("notes.txt");
  });
});

describe("metadata", () => {
  test("cut in its last declaration: the others count", () => {
    for (let size = METADATA.indexOf('event { name = "g"') + 1; size < METADATA.length; size += 1) {
      const { times, problems } = read(events(3, 0), METADATA.slice(0, size));
      expect(times).toEqual([0n, 1n, 2n]);
      expect(problems).toMatchObject([{ kind: "torn", place: { line: METADATA.split("\n").length } }]);
    }
  });

  test("followed by zeros", () => {
    expect(read(events(3, 0), `${METADATA}\0\0\0\0`)).toEqual({ times: [0n, 1n, 2n], problems: [] });
  });

  test.each([
    ["not there", "", /the metadata is empty/],
    ["no CTF", "hello, world", /does not begin with/],
    ["CTF 2", "/* CTF 2.0 */", /CTF 2\.0 is not read/],
    ["no trace", "/* CTF 1.8 */ env { a = 1; };", /no trace block/],
    [
      "a type that is not there",
      `${HEAD}stream { id = 0; event.header := struct { nothing a; }; };`,
      /line \d+: .*nothing/,
    ],
    ["two events of one id", METADATA.replace("id = 1;", "id = 0;"), /a second event with the id 0/],
    [
      "a length that comes later",
      METADATA.replace("u32 n; u8 list[n];", "u8 list[n]; u32 n;"),
      /no field n before/,
    ],
  ])("%s: an error that names the file", (_name, text, message) => {
    const open = (): unknown => read(events(1, 0), text);
    expect(open).toThrow(CtfError);
    expect(open).toThrow(message);
    expect(open).toThrow(/metadata/);
  });

  test("no trace in a directory: an error that says what a trace is", () => {
    expect(() => openTraces(join(root, "nowhere"))).toThrow(/nowhere: no such file or directory/);
    writeTrace(join(root, "empty"), {});
    expect(() => openTraces(join(root, "empty"))).toThrow(/a trace is a directory with a file metadata/);
  });
});

describe("hostile metadata costs bounded time and memory", () => {
  const trace = "/* CTF 1.8 */ trace { major = 1; minor = 8; byte_order = le; };";

  test("structures that double at every level", () => {
    const levels = Array.from(
      { length: 60 },
      (_none, at) => `typealias struct { t${at} a; t${at} b; } := t${at + 1};`,
    );
    const text = `${trace} typealias integer { size = 8; } := t0; ${levels.join("\n")}`;
    expect(() => read(events(1, 0), text)).toThrow(/more than \d+ types/);
  });

  test("structures in structures without end", () => {
    const [begin, end] = ["struct { ".repeat(100_000), "} a; ".repeat(99_999)];
    const text = `${trace} event { name = "e"; fields := ${begin}${end}}; };`;
    expect(() => read(events(1, 0), text)).toThrow(/nested deeper/);
  });

  test("arrays of nothing", () => {
    const text = `${trace} event { name = "e"; fields := struct { integer { size = 8; } v; struct { } a[2000000000]; }; };`;
    const { times, problems } = read(Uint8Array.of(1, 2, 3), text);
    expect(times).toEqual([]);
    expect(problems).toMatchObject([{ kind: "corrupt" }]);
  });

  test("events of nothing", () => {
    const text = `${trace} event { name = "e"; fields := struct { }; };`;
    const { times, problems } = read(Uint8Array.of(1, 2, 3), text);
    expect(times).toEqual([]);
    expect(problems).toMatchObject([{ kind: "corrupt" }]);
  });
});
