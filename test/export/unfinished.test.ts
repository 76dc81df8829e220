/**
 * Spans whose ends are not in the trace, and losses, in every format of spans: ends that are lost as later events show,
 * spans that run at the end, and stretches of losses that have no length or run backwards.
 */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";

import { openTraces } from "../../src/ctf/index.ts";
import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { writeForest } from "../spans/forest.ts";
import type { Told } from "../spans/oracle.ts";
import { exportHere } from "../support/exported.ts";
import { Place } from "../support/place.ts";
import { Random } from "../support/random.ts";
import { readChrome } from "./readers/chrome.ts";
import { attributesOf, type OtlpSpan, readJson, readProto } from "./readers/otlp.ts";
import { readPerfetto } from "./readers/perfetto.ts";
import { readSpeedscope } from "./readers/speedscope.ts";

const place = new Place();
afterAll(() => place[Symbol.asyncDispose]());

const of = (kind: "begin" | "end", name: string, time: number, id: number, parent = 0): Told => {
  return { stream: 0, kind, name, time, id, parent, own: time };
};

/** A request that runs on; a query in it whose id comes again, so that its end is lost; one that is whole. */
const TOLD: readonly Told[] = [
  of("begin", "http:request", 100, 1),
  of("begin", "sql:query", 200, 2, 1),
  of("begin", "sql:query", 500, 2, 1),
  of("end", "sql:query", 600, 2),
  { stream: 0, kind: "other", name: "app:note", time: 900 },
];

/** Name, begin, and end of what is expected; what the file must say of the end. */
const SPANS = [
  { name: "http:request", from: 100n, to: 900n, how: "unfinished" },
  { name: "sql:query", from: 200n, to: 500n, how: "lost" },
  { name: "sql:query", from: 500n, to: 600n, how: undefined },
] as const;

const directory = writeForest(join(place.dir, "spans"), new Random(1), { kept: TOLD, discarded: [] });
const zero = openTraces(directory).base - 100n;

function exported(format: string): ReturnType<typeof exportHere> {
  return exportHere(directory, format, join(place.dir, format));
}

function byBegin<T extends { readonly from: bigint }>(spans: readonly T[]): T[] {
  return spans.toSorted((one, other) => (one.from < other.from ? -1 : 1));
}

test("viewers: what is unfinished has no end, what is lost ends where that shows", async () => {
  for (const [format, read, from] of [
    ["chrome", readChrome, -100n],
    ["perfetto", readPerfetto, zero],
  ] as const) {
    const { bytes, outcome } = await exported(format);
    const spans = read(bytes).spans.map(({ name, start, end, args }) => ({
      name,
      from: start - from,
      to: end === undefined ? undefined : end - from,
      how: args["unfinished"] === true ? "unfinished" : args["end_lost"] === true ? "lost" : undefined,
    }));
    expect(byBegin(spans)).toEqual(
      SPANS.map((span) => ({ ...span, to: span.how === "unfinished" ? undefined : span.to })),
    );
    expect(outcome.written).toMatchObject({ span: 2, "unfinished span": 1, event: 1 });
  }
});

test("speedscope: they are cut at the trace's end, and where it shows", async () => {
  const { spans, profiles } = readSpeedscope((await exported("speedscope")).bytes);
  expect(
    byBegin(spans.map(({ name, start, end }) => ({ name, from: start + 100n, to: (end ?? 0n) + 100n }))),
  ).toEqual(SPANS.map(({ name, from, to }) => ({ name, from, to })));
  expect(profiles).toEqual(["thread 100, 1 unfinished"]);
});

test.each(["json", "proto"] as const)(
  "OTLP %s: they end there too, and have an attribute",
  async (encoding) => {
    const { bytes } = await exported(`otlp-${encoding}`);
    const found =
      encoding === "json" ? readJson<OtlpSpan>("traces", bytes) : readProto<OtlpSpan>("traces", bytes);
    const spans = found.map(({ item }) => ({
      name: item.name,
      from: BigInt(item.startTimeUnixNano) - zero,
      to: BigInt(item.endTimeUnixNano) - zero,
      how: attributesOf(item.attributes)["buntrace.end"],
    }));
    expect(byBegin(spans)).toEqual([...SPANS]);
  },
);

test("stretches of losses that run backwards are told, and not drawn", async () => {
  const at = (begin: bigint, end: bigint, sequence: bigint, discarded: bigint): Uint8Array =>
    packet([{ time: begin }], { begin, end, sequence, discarded });
  writeTrace(join(place.dir, "backwards"), {
    metadata: `${HEAD}${streamBlock()} event { name = "a:b"; id = 0; stream_id = 0; };`,
    // The second packet begins before the first one's end, and packets are lost between; the third ends where it began.
    one: Buffer.concat([at(100n, 500n, 0n, 0n), at(400n, 600n, 3n, 0n), at(600n, 600n, 4n, 7n)]),
  });
  for (const [format, read] of [
    ["chrome", readChrome],
    ["perfetto", readPerfetto],
  ] as const) {
    const { bytes, outcome } = await exportHere(
      join(place.dir, "backwards"),
      format,
      join(place.dir, "backwards.out"),
    );
    const losses = read(bytes).losses.map(({ name, start, end }) => [
      name.replace(/ \(one\)$/, ""),
      (end ?? -1n) - start,
    ]);
    expect(losses).toEqual([["7 events discarded", 0n]]);
    expect(outcome.written).toMatchObject({ "loss mark": 1 });
  }
});

test("losses of two streams over overlapping times are drawn apart", async () => {
  const at = (instance: bigint, begin: bigint, end: bigint, discarded: bigint): Uint8Array =>
    packet([{ time: begin }], { instance, begin, end, sequence: discarded === 0n ? 0n : 1n, discarded });
  writeTrace(join(place.dir, "overlapping"), {
    metadata: `${HEAD}${streamBlock()} event { name = "a:b"; id = 0; stream_id = 0; };`,
    one: Buffer.concat([at(0n, 50n, 100n, 0n), at(0n, 250n, 300n, 5n)]),
    two: Buffer.concat([at(1n, 150n, 200n, 0n), at(1n, 350n, 400n, 6n)]),
  });
  for (const [format, read] of [
    ["chrome", readChrome],
    ["perfetto", readPerfetto],
  ] as const) {
    const { bytes } = await exportHere(
      join(place.dir, "overlapping"),
      format,
      join(place.dir, "overlapping.out"),
    );
    const losses = read(bytes).losses.map(
      ({ name, start, end }) => `${name.split(" ")[0]} ${(end ?? -1n) - start}`,
    );
    expect(losses.toSorted()).toEqual(["5 200", "6 200"]);
  }
});

test("times long after the begin are exact to the nanosecond, of spans too", async () => {
  // Where a double after the trace's begin holds even numbers only.
  const far = 2n ** 53n;
  writeTrace(join(place.dir, "far"), {
    metadata: `${HEAD}${streamBlock().replace("cpu_id", "tid")}
      event { name = "a:b_begin"; id = 0; stream_id = 0; }; event { name = "a:b_end"; id = 1; stream_id = 0; };`,
    one: packet([
      { id: 1, time: 0n },
      { id: 0, time: far + 7n },
      { id: 1, time: far + 19n },
    ]),
  });
  const directory = join(place.dir, "far");
  const { base } = openTraces(directory);
  const [drawn] = readPerfetto(
    (await exportHere(directory, "perfetto", join(place.dir, "far.out"))).bytes,
  ).spans;
  expect([(drawn?.start ?? 0n) - base, (drawn?.end ?? 0n) - base]).toEqual([far + 7n, far + 19n]);
  const { bytes } = await exportHere(directory, "otlp-json", join(place.dir, "far.out"));
  const [span] = readJson<OtlpSpan>("traces", bytes);
  expect(BigInt(span?.item.startTimeUnixNano ?? 0) - base).toBe(far + 7n);
  expect(BigInt(span?.item.endTimeUnixNano ?? 0) - base).toBe(far + 19n);
});

test("what has no time is not drawn, but counted", async () => {
  writeTrace(join(place.dir, "timeless"), {
    metadata: `/* CTF 1.8 */ typealias integer { size = 8; align = 8; signed = false; } := u8;
trace { major = 1; minor = 8; byte_order = le; };
stream { event.header := struct { u8 id; }; };
event { name = "a_begin"; id = 0; fields := struct { u8 n; }; };
event { name = "a_end"; id = 1; fields := struct { u8 n; }; };
event { name = "note"; id = 2; fields := struct { u8 n; }; };`,
    stream: Uint8Array.of(0, 1, 0, 2, 1, 3, 1, 4, 0, 5, 2, 6),
  });
  for (const format of ["chrome", "perfetto", "speedscope", "otlp-json", "otlp-json-logs"]) {
    const { outcome } = await exportHere(
      join(place.dir, "timeless"),
      format,
      join(place.dir, "timeless.out"),
    );
    expect([format, outcome.leftOut?.["event without a time"]]).toEqual([format, 6]);
    expect([format, Object.values(outcome.written).reduce((sum, count) => sum + count, 0)]).toEqual([
      format,
      0,
    ]);
  }
  // Of a table, time is a column like another.
  const { outcome } = await exportHere(join(place.dir, "timeless"), "csv", join(place.dir, "timeless.out"));
  expect(outcome.written).toEqual({ event: 6 });
});
