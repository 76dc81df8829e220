/**
 * Packets and events larger than what the reader has in memory at a time, more classes
 * than one function holds, arrays longer than their columns: compared with babeltrace2
 * text by text, and with what was written field by field.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openTraces, type TraceSet } from "../../src/ctf/index.ts";
import type { BitWriter } from "./bits.ts";
import { HEAD, packet, type PacketEvent, streamBlock, writeTrace } from "./hand-made.ts";
import { ourText, theirText } from "./oracle.ts";

const root = mkdtempSync(join(tmpdir(), "buntrace-large-"));
afterAll(() => rmSync(root, { recursive: true }));

/** What the columns say of one event: its class, its number, its texts and the elements of its arrays. */
type Row = readonly [name: string, number: number, text: string, elements: readonly number[]];

/** All rows of `groups`, in the order of the number that the first column holds. */
function rowsOf(set: TraceSet): Row[] {
  const found: Row[] = [];
  for (const { event, length, columns } of set.groups()) {
    const [number, text, list] = ["k", "text", "list"].map((name) =>
      columns.find((one) => one.name === name),
    );
    for (let row = 0; row < length; row += 1) {
      const elements = list?.numbers?.slice(list.starts?.[row], list.ends?.[row]) ?? [];
      found.push([event.name, number?.numbers?.[row] ?? NaN, String(text?.value(row)), [...elements]]);
    }
  }
  return found.toSorted((one, other) => one[1] - other[1]);
}

/** What was written. */
function rowOf(kind: number, number: number, elements: number): Row {
  const list = Array.from({ length: elements }, (_none, at) => (number * 31 + at) % 65_536);
  return [`e${kind}`, number, "x".repeat(1 + (number % 40)), list];
}

/** Fields in bytes, aligned as C does, and behind a field of three bits. */
const LAYOUTS = {
  bytes: { fields: "u32 k; string text; u16 n; u16 list[n]; struct tail tail;", aligned: false, bits: 0 },
  aligned: { fields: "al32 k; string text; al16 n; al16 list[n]; struct tail tail;", aligned: true, bits: 0 },
  bits: {
    fields: "u3 odd; u32 k; string text; u16 n; u16 list[n]; struct tail tail;",
    aligned: false,
    bits: 3,
  },
} as const;

/** Members behind the array: in a window's last event they are what is missing. */
const TAIL = 12;

const TYPES = `typealias integer { size = 3; align = 1; signed = false; } := u3;
typealias integer { size = 16; align = 16; signed = false; } := al16;
typealias integer { size = 32; align = 64; signed = false; } := al32;
`;

function body(
  layout: (typeof LAYOUTS)[keyof typeof LAYOUTS],
  [, number, text, list]: Row,
): (bits: BitWriter) => void {
  return (bits) => {
    const put = (value: number, size: number, align: number): void => {
      bits.align(layout.aligned ? align : 8);
      bits.integer(BigInt(value), size, true);
    };
    if (layout.aligned) bits.align(64);
    if (layout.bits > 0) bits.integer(5n, layout.bits, true);
    put(number, 32, 64);
    bits.bytes(new TextEncoder().encode(`${text}\0`));
    put(list.length, 16, 16);
    for (const element of list) put(element, 16, 16);
    for (let at = 0; at < TAIL; at += 1) put(number + at, 32, 64);
  };
}

/** Writes packets of rows, and expects to read them: as text, records and columns. */
async function check(
  name: string,
  layout: (typeof LAYOUTS)[keyof typeof LAYOUTS],
  packets: readonly (readonly Row[])[],
  padding = 0,
): Promise<void> {
  const kinds = Math.max(...packets.flat().map(([event]) => Number(event.slice(1)))) + 1;
  const type = layout.aligned ? "al32" : "u32";
  const tail = `struct tail { ${Array.from({ length: TAIL }, (_none, at) => `${type} z${at};`).join(" ")} };\n`;
  const events = Array.from(
    { length: kinds },
    (_none, id) =>
      `event { name = "e${id}"; id = ${id}; stream_id = 0; fields := struct { ${layout.fields} }; };\n`,
  );
  let time = 0n;
  const content = packets.map((rows, sequence) => {
    const begin = time;
    const made = rows.map((row): PacketEvent => {
      time += 10n;
      return { id: Number(row[0].slice(1)), time, body: body(layout, row) };
    });
    return packet(made, { begin, end: time, sequence: BigInt(sequence), padding });
  });
  const metadata = `${HEAD}${TYPES}${tail}${streamBlock()}${events.join("")}`;
  const directory = writeTrace(join(root, name), { metadata, stream: Buffer.concat(content) });
  const theirs = await theirText(directory);
  expect(theirs.stderr).toBe("");
  // Not as an object: a difference in megabytes would be shown.
  const ours = ourText(directory);
  expect(ours.problems).toEqual([]);
  expect(ours.text === theirs.text).toBe(true);
  const set = openTraces(directory);
  const rows = packets.flat();
  expect([...set.events()].map((event) => event.fields?.["k"])).toEqual(rows.map(([, number]) => number));
  const read = rowsOf(set);
  expect(read.length).toBe(rows.length);
  read.forEach((row, at) => expect(row).toEqual(rows[at] as never));
}

for (const [name, layout] of Object.entries(LAYOUTS)) {
  test(`a packet of many windows, its fields ${name}`, async () => {
    const rows = Array.from({ length: 7000 }, (_none, at) => rowOf(at % 3, at, at % 17));
    await check(`packet-${name}`, layout, [rows]);
  });

  test(`packets of a fraction of a window and of more, its fields ${name}`, async () => {
    const sizes = [1, 300, 4000, 2, 0, 700, 5000, 1, 900];
    let number = 0;
    const packets = sizes.map((size) =>
      Array.from({ length: size }, () => rowOf(number % 2, number++, number % 5)),
    );
    await check(`packets-${name}`, layout, packets, 8 - 1);
  });
}

test("an event larger than a window, and arrays longer than their columns", async () => {
  const sizes = [0, 5000, 3, 65_535, 65_535, 1, 9000];
  const long: Row = ["e1", sizes.length, "y".repeat(300_000), []];
  const rows = sizes.map((size, at) => rowOf(at % 2, at, size));
  await check("events", LAYOUTS.bytes, [[...rows, long], [rowOf(0, sizes.length + 1, 2)]]);
});

test("more classes than one function holds", async () => {
  const rows = Array.from({ length: 3000 }, (_none, at) => rowOf((at * 7) % 250, at, at % 4));
  await check("classes", LAYOUTS.bytes, [rows.slice(0, 100), rows.slice(100)]);
  await check("classes-bits", LAYOUTS.bits, [rows.slice(0, 100), rows.slice(100)]);
});

test("two readings of one set at a time", async () => {
  const rows = Array.from({ length: 5000 }, (_none, at) => rowOf(at % 2, at, at % 9));
  await check("twice", LAYOUTS.bytes, [rows]);
  const set = openTraces(join(root, "twice"));
  const [one, other] = [set.events(), set.events()];
  for (const { fields } of one) expect(other.next().value?.fields as unknown).toEqual(fields);
  expect(other.next().done).toBe(true);
});
