/**
 * A real program's trace in every format, read by other people's readers: what the
 * program says that it emitted is what they find.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { parse } from "csv-parse/sync";
import { parquetMetadata, parquetReadObjects } from "hyparquet";

import { openTraces } from "../../src/ctf/index.ts";
import { type EmittedSpan, type Everything, exportTo, recordEverything } from "../support/exported.ts";
import { Place } from "../support/place.ts";
import { traceEnd } from "../support/trace-end.ts";
import { readChrome } from "./readers/chrome.ts";
import type { Drawn, DrawnSpan } from "./readers/drawn.ts";
import {
  attributesOf,
  type OtlpLog,
  type OtlpPoint,
  type OtlpSpan,
  readJson,
  readProto,
} from "./readers/otlp.ts";
import { readPerfetto } from "./readers/perfetto.ts";
import { readSpeedscope } from "./readers/speedscope.ts";

let place: Place;
let emitted: Everything;
/** Times of the trace's events, by what an event is: read by the library, which has tests of its own. */
const times = new Map<string, bigint>();

beforeAll(async () => {
  place = new Place();
  emitted = await recordEverything(place);
  for (const { name, time, fields } of openTraces(place.output).events()) {
    const who = fields?.["span_id"] ?? fields?.["count"] ?? "";
    times.set(`${name} ${String(who)}`, time ?? -1n);
  }
});
afterAll(async () => place[Symbol.asyncDispose]());

/** The trace's begin, which times of some formats count from. */
function begin(): bigint {
  return openTraces(place.output).base;
}

function timeOf(what: string): bigint {
  const time = times.get(what);
  if (time === undefined) throw new Error(`no event ${what}`);
  return time;
}

/** Begin, end, and arguments that a viewer must show of an emitted span. */
function expectedSpan(
  span: EmittedSpan,
  from: bigint,
): { name: string; start: bigint; end: bigint | undefined } {
  const start = timeOf(`${span.name}_begin ${span.id}`) - from;
  const end = span.unfinished === true ? undefined : timeOf(`${span.name}_end ${span.id}`) - from;
  return { name: span.name, start, end };
}

function expectedArgs({
  id,
  parent,
  label,
  n,
  end,
  failed,
  unfinished,
}: EmittedSpan): Record<string, unknown> {
  return plainOf({
    span_id: id,
    parent_id: parent,
    failed: failed === true ? true : undefined,
    label,
    n,
    "end.n": end,
    unfinished,
  });
}

/** Without what is undefined; integers as numbers. */
function plainOf(object: object): Record<string, unknown> {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([key, value]): [string, unknown] => [
      key,
      typeof value === "bigint" ? Number(value) : value,
    ]),
  );
}

function sorted<T extends { readonly name: string; readonly start: bigint }>(spans: readonly T[]): T[] {
  return spans.toSorted((one, other) => (one.start < other.start ? -1 : 1));
}

/** Spans, instants and counters of a drawing format. @param from what its times count from */
function checkDrawn(drawn: Drawn, from: bigint): void {
  const main = drawn.spans.filter(({ thread }) => thread === "main");
  expect(sorted(main).map(({ name, start, end }) => ({ name, start, end }))).toEqual(
    sorted(emitted.spans.map((span) => expectedSpan(span, from))),
  );
  for (const span of emitted.spans) {
    const found = main.find(({ name, args }) => name === span.name && Number(args["span_id"]) === span.id);
    expect(plainOf(found?.args ?? {})).toEqual(expectedArgs(span));
  }
  const helper = drawn.spans.filter(({ thread }) => thread === "helper");
  expect(helper.map(({ name }) => name)).toEqual(["test:worker"]);

  expect(drawn.instants.map(({ name }) => name)).toEqual(["test:values", "test:values", "test:values"]);
  expect(drawn.instants.map(({ time }) => time + from)).toEqual(
    [4294967295, 0, 1].map((count) => timeOf(`test:values ${count}`)),
  );
  const values = (name: string, thread: string): number[] =>
    drawn.values.filter((one) => one.name === name && one.thread === thread).map(({ value }) => value);
  expect(values("test:depth", "main")).toEqual([3, -2, 4]);
  expect(values("test:load", "main")).toEqual([0.5]);
  expect(values("test:depth", "helper")).toEqual([1]);
  expect(drawn.losses).toEqual([]);
}

describe("perfetto", () => {
  test("is what was emitted", async () => {
    const { bytes, stderr } = await exportTo(place, "perfetto");
    const drawn = readPerfetto(bytes);
    expect(drawn.clock).toBe(begin());
    checkDrawn(drawn, 0n);
    expect(drawn.instants[0]?.args).toEqual({
      small: 0n,
      negative: -1n,
      count: 4294967295n,
      large: 2n ** 64n - 1n,
      lowest: -(2n ** 63n),
      exact: 2n ** 53n - 1n,
      single: 1.5,
      double: 0.1,
      yes: true,
      text: 'a "b", c\nd',
      data: "00ff",
      kind: "POST",
      floats: [0.1, 1n],
      bigs: [2n ** 64n - 1n, 1n],
      event: "own",
      tid: 0n,
      value: "own",
    });
    expect(drawn.instants[1]?.args).toMatchObject({ single: NaN, double: -Infinity, data: "", text: "" });
    expect(drawn.instants[2]?.args).toMatchObject({ single: -0, text: " ünïcödé ✓ \r" });
    expect(stderr).toMatch(
      /^buntrace: 7 spans, 2 unfinished spans, 3 events, 5 counter values -> .*export-perfetto \(.* kB\); left out: 1 counter value without a number\n$/,
    );
  });
});

describe("chrome", () => {
  test("is what was emitted", async () => {
    const { bytes } = await exportTo(place, "chrome");
    const drawn = readChrome(bytes);
    expect(drawn.begin).toBe(begin());
    checkDrawn(drawn, begin());
    expect(drawn.instants[0]?.args).toMatchObject({
      large: "18446744073709551615",
      lowest: "-9223372036854775808",
      exact: 2 ** 53 - 1,
      text: 'a "b", c\nd',
      data: "00ff",
      floats: [0.1, 1],
    });
    expect(drawn.instants[1]?.args).toMatchObject({ single: "NaN", double: "-Infinity" });
  });
});

describe("speedscope", () => {
  test("is what was emitted, cut where spans do not nest", async () => {
    const { bytes, stderr } = await exportTo(place, "speedscope");
    const { spans, profiles } = readSpeedscope(bytes);
    const last = traceEnd(place.output) - begin();
    const whole = emitted.spans.map((span) => expectedSpan(span, begin()));
    // The pieces of one span follow each other.
    for (const { name, start, end = last } of whole) {
      let at = start;
      let piece: DrawnSpan | undefined;
      do {
        piece = spans.find((one) => one.name === name && one.start === at && (one.end ?? 0n) <= end);
        if (piece === undefined) throw new Error(`${name} has no piece from ${at} on`);
        spans.splice(spans.indexOf(piece), 1);
        at = piece.end ?? end;
      } while (at < end);
      expect(at).toBe(end);
    }
    expect(spans.map(({ name, thread }) => [name, thread])).toEqual([["test:worker", "helper"]]);
    expect(profiles.toSorted()).toEqual(["helper", "main (2)", "main (3)", "main, 2 unfinished"]);
    expect(stderr).toContain("left out: 9 events without a duration");
  });
});

describe("OTLP", () => {
  test.each(["json", "proto"] as const)("%s: spans are what was emitted", async (encoding) => {
    const { bytes } = await exportTo(place, `otlp-${encoding}`);
    const found =
      encoding === "json" ? readJson<OtlpSpan>("traces", bytes) : readProto<OtlpSpan>("traces", bytes);
    expect(found).toHaveLength(emitted.spans.length + 1);
    const last = traceEnd(place.output);
    const byId = new Map(found.map(({ item }) => [item.spanId, item]));
    const hex = (value: number): string => value.toString(16).padStart(8, "0");
    for (const span of emitted.spans) {
      const one = byId.get(hex(emitted.pid) + hex(span.id));
      const { start, end = last } = expectedSpan(span, 0n);
      expect([one?.name, BigInt(one?.startTimeUnixNano ?? 0), BigInt(one?.endTimeUnixNano ?? 0)]).toEqual([
        span.name,
        start,
        end,
      ]);
      expect(one?.parentSpanId ?? "").toBe(
        span.parent === undefined ? "" : hex(emitted.pid) + hex(span.parent),
      );
      expect(one?.traceId).toMatch(/^[0-9a-f]{32}$/);
      if (one?.parentSpanId !== undefined && one.parentSpanId !== "")
        expect(one.traceId).toBe(byId.get(one.parentSpanId)?.traceId ?? "");
      else expect(one?.traceId.slice(16)).toBe(one?.spanId ?? "");
      expect(one?.status.code ?? 0).toBe(span.failed === true ? 2 : 0);
      const { label, n, end: endValue, unfinished } = span;
      expect(plainOf(attributesOf(one?.attributes))).toEqual(
        plainOf({
          "thread.id": emitted.pid,
          "thread.name": "main",
          label,
          n,
          "end.n": endValue,
          "buntrace.end": unfinished === true ? "unfinished" : undefined,
        }),
      );
    }
    expect(new Set(found.map(({ item }) => item.traceId)).size).toBe(5);
    const { resource, scope } = found[0] ?? { resource: {}, scope: "" };
    expect(scope).toBe("test");
    expect(resource).toMatchObject({
      "service.name": "everything",
      "process.pid": BigInt(emitted.pid),
      "process.runtime.name": "bun",
      "process.runtime.version": Bun.version,
      "telemetry.sdk.name": "buntrace",
    });
  });

  test("both encodings say the same, and say it again", async () => {
    const [json, proto, again] = [
      readJson("traces", (await exportTo(place, "otlp-json")).bytes),
      readProto("traces", (await exportTo(place, "otlp-proto")).bytes),
      readJson("traces", (await exportTo(place, "otlp-json")).bytes),
    ];
    expect(again).toEqual(json);
    // Protobuf gives names to enumerations, and empty arrays to nothing.
    const comparable = (found: typeof json): unknown =>
      found.map(({ item, scope }) => {
        const { traceId, spanId, startTimeUnixNano, attributes } = item as OtlpSpan;
        return { traceId, spanId, startTimeUnixNano, attributes: attributesOf(attributes), scope };
      });
    expect(comparable(proto)).toEqual(comparable(json));
  });

  test.each(["json", "proto"] as const)("%s: events are log records, counters gauges", async (encoding) => {
    const read = encoding === "json" ? readJson : readProto;
    const logs = read<OtlpLog>("logs", (await exportTo(place, `otlp-${encoding}-logs`)).bytes);
    expect(logs.map(({ item }) => [item.eventName, item.severityNumber, item.severityText])).toEqual(
      Array.from({ length: 3 }, () => [
        "test:values",
        encoding === "json" ? 13 : expect.anything(),
        "WARNING",
      ]),
    );
    expect(attributesOf(logs[0]?.item.attributes)).toMatchObject({
      large: "18446744073709551615",
      lowest: -(2n ** 63n),
      exact: 2n ** 53n - 1n,
      double: 0.1,
      yes: true,
      data: "00ff",
      bigs: [String(2n ** 64n - 1n), 1n],
      "thread.name": "main",
    });
    expect(attributesOf(logs[1]?.item.attributes)).toMatchObject({ single: NaN, double: -Infinity });
    const metrics = read<{ name: string; gauge: { dataPoints: OtlpPoint[] } }>(
      "metrics",
      (await exportTo(place, `otlp-${encoding}-metrics`)).bytes,
    );
    const values = metrics.map(({ item }) => [
      item.name,
      item.gauge.dataPoints.map(({ asInt, asDouble }) => Number(asInt ?? asDouble)),
    ]);
    expect(values.toSorted()).toEqual([
      ["test:depth", [3, -2, 4, 1]],
      ["test:load", [0.5, NaN]],
    ]);
  });
});

/** The rows of the three value events, and of one span's ends, as a table has them. */
const ROWS = [
  {
    event: "test:values",
    small: 0n,
    count: 4294967295n,
    large: 2n ** 64n - 1n,
    lowest: -(2n ** 63n),
    exact: 2n ** 53n - 1n,
    double: 0.1,
    yes: true,
    text: 'a "b", c\nd',
    data: "00ff",
    kind: "POST",
    bigs: [2n ** 64n - 1n, 1n],
    "fields.event": "own",
    "fields.tid": 0n,
    "value:text": "own",
  },
  { event: "test:values", single: NaN, double: -Infinity, yes: false, text: "", data: "", bigs: [0n, 1n] },
  { event: "test:values", negative: -2147483648n, single: -0, text: " ünïcödé ✓ \r" },
] as const;

describe("CSV", () => {
  test("has a line an event, in order, read by csv-parse", async () => {
    const { bytes, stderr } = await exportTo(place, "csv");
    const rows: Record<string, string>[] = parse(bytes, { columns: true, record_delimiter: "\n" });
    const events = [...openTraces(place.output).events()];
    expect(rows.map(({ time_ns, event }) => [time_ns, event])).toEqual(
      events.map(({ time, name }) => [String(time), name]),
    );
    expect(stderr).toMatch(new RegExp(`^buntrace: ${events.length} events -> .*export-csv \\(.*\\)\\n$`));
    const values = rows.filter(({ event }) => event === "test:values");
    for (const [at, expected] of ROWS.entries()) {
      for (const [name, value] of Object.entries(expected)) {
        const text = Array.isArray(value)
          ? JSON.stringify(value.map((one) => (one > 2n ** 53n ? String(one) : Number(one))))
          : Object.is(value, -0)
            ? "0"
            : String(value);
        expect([name, values[at]?.[name]]).toEqual([name, text]);
      }
    }
    // An empty text is not nothing.
    expect(bytes.toString()).toMatch(/false,"","",GET/);
    // Readers trim, and end lines, as they like.
    expect(bytes.toString()).toContain('" ünïcödé ✓ \r"');
    const helper = rows.filter(({ thread_name }) => thread_name === "helper");
    expect(helper.map(({ event, ["value:i32"]: value }) => [event, value])).toEqual([
      ["test:worker_begin", ""],
      ["test:worker_end", ""],
      ["test:depth", "1"],
    ]);
    expect(new Set(rows.map(({ pid }) => pid))).toEqual(new Set([String(emitted.pid)]));
  });
});

describe("Parquet", () => {
  test("has a row an event, in order, read by hyparquet", async () => {
    const { bytes } = await exportTo(place, "parquet");
    const file = new Uint8Array(bytes).buffer;
    // Its dates have milliseconds only.
    const parsers = { timestampFromNanoseconds: (time: bigint) => time };
    const rows = await parquetReadObjects({ file, utf8: false, parsers });
    const events = [...openTraces(place.output).events()];
    expect(rows.map(({ time, event }) => [time, event])).toEqual(
      events.map(({ time, name }) => [time, name]),
    );
    const values = rows.filter(({ event }) => event === "test:values");
    for (const [at, expected] of ROWS.entries()) {
      for (const [name, value] of Object.entries(expected)) {
        const found: unknown = values[at]?.[name];
        const shown =
          found instanceof Uint8Array
            ? found.toHex()
            : typeof found === "number" && typeof value === "bigint"
              ? BigInt(found)
              : found;
        expect([name, shown]).toEqual([name, value]);
      }
    }
    expect(values[0]?.["span_id"]).toBeNull();
    const { schema, num_rows } = parquetMetadata(file);
    expect(num_rows).toBe(BigInt(events.length));
    const types = new Map(schema.map(({ name, type, converted_type }) => [name, converted_type ?? type]));
    expect([
      types.get("small"),
      types.get("large"),
      types.get("lowest"),
      types.get("text"),
      types.get("yes"),
    ]).toEqual(["INT32", "UINT_64", "INT64", "UTF8", "BOOLEAN"]);
  });
});
