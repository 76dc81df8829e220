/** Counters in the formats of values: the greatest integers, what is no finite number, and threads side by side. */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";

import { HEAD, packet, writeTrace } from "../ctf/hand-made.ts";
import { exportHere } from "../support/exported.ts";
import { Place } from "../support/place.ts";
import { readChrome } from "./readers/chrome.ts";
import type { Drawn } from "./readers/drawn.ts";
import { attributesOf, type OtlpPoint, readJson, readProto } from "./readers/otlp.ts";
import { readPerfetto } from "./readers/perfetto.ts";

const place = new Place();
afterAll(() => place[Symbol.asyncDispose]());

const DEPTHS = [2n ** 64n - 1n, 2n ** 63n, 2n ** 63n - 1n, 2n ** 53n + 1n, 0n];
const LOADS = [Infinity, 0.1, NaN, -0.5, -Infinity];
const OTHERS = [5n, 2n ** 64n - 1n];

const directory = writeTrace(join(place.dir, "counters"), {
  metadata: `${HEAD}env { tracer_name = "buntrace"; pid = 77; };
typealias floating_point { exp_dig = 11; mant_dig = 53; align = 8; } := f64;
stream { id = 0; packet.context := struct { time timestamp_begin; time timestamp_end; u64 content_size;
  u64 packet_size; u64 packet_seq_num; u64 events_discarded; u32 tid; };
  event.header := struct { u32 id; time timestamp; }; };
event { name = "x:depth"; id = 0; stream_id = 0; model.emf.uri = "buntrace:counter"; fields := struct { u64 value; }; };
event { name = "x:load"; id = 1; stream_id = 0; model.emf.uri = "buntrace:counter"; fields := struct { f64 value; }; };`,
  one: packet(
    [
      ...DEPTHS.map((value, at) => ({
        id: 0,
        time: BigInt(at) * 10n,
        body: (bits: Bits) => bits.bytes(u64(value)),
      })),
      ...LOADS.map((value, at) => ({
        id: 1,
        time: 100n + BigInt(at) * 10n,
        body: (bits: Bits) => bits.bytes(new Uint8Array(Float64Array.of(value).buffer)),
      })),
    ],
    { instance: 0n, cpu: 100 },
  ),
  two: packet(
    OTHERS.map((value, at) => ({
      id: 0,
      time: BigInt(at) * 10n + 5n,
      body: (bits: Bits) => bits.bytes(u64(value)),
    })),
    { instance: 1n, cpu: 101 },
  ),
});

interface Bits {
  bytes(bytes: Uint8Array): void;
}

function u64(value: bigint): Uint8Array {
  return new Uint8Array(BigUint64Array.of(value).buffer);
}

function exported(format: string): ReturnType<typeof exportHere> {
  return exportHere(directory, format, join(place.dir, format));
}

test("viewers get what is finite, of each thread apart", async () => {
  for (const [format, read] of [
    ["chrome", readChrome],
    ["perfetto", readPerfetto],
  ] as const) {
    const { bytes, outcome } = await exported(format);
    const { values }: Drawn = read(bytes);
    const of = (name: string, thread: string): number[] =>
      values.filter((one) => one.name === name && one.thread === thread).map(({ value }) => value);
    expect(of("x:depth", "thread 100")).toEqual(DEPTHS.map(Number));
    expect(of("x:depth", "thread 101")).toEqual(OTHERS.map(Number));
    expect(of("x:load", "thread 100")).toEqual([0.1, -0.5]);
    expect(outcome.leftOut?.["counter value without a number"]).toBe(3);
  }
});

test.each(["json", "proto"] as const)(
  "OTLP %s gets all, whole where 64 bits with a sign hold them",
  async (encoding) => {
    const { bytes } = await exported(`otlp-${encoding}-metrics`);
    const read = encoding === "json" ? readJson : readProto;
    const points = read<{ name: string; gauge: { dataPoints: OtlpPoint[] } }>("metrics", bytes).flatMap(
      ({ item }) =>
        item.gauge.dataPoints.map(({ asInt, asDouble, attributes }) => ({
          of: `${item.name} ${attributesOf(attributes)["thread.id"]}`,
          value: asInt === undefined ? Number(asDouble) : BigInt(asInt),
        })),
    );
    const values = Object.fromEntries(Map.groupBy(points, ({ of }) => of));
    const valuesOf = (of: string): unknown[] => values[of]?.map(({ value }) => value) ?? [];
    const whole = (value: bigint): bigint | number => (value < 2n ** 63n ? value : Number(value));
    expect(valuesOf("x:depth 100")).toEqual(DEPTHS.map(whole));
    expect(valuesOf("x:depth 101")).toEqual(OTHERS.map(whole));
    expect(valuesOf("x:load 100")).toEqual(LOADS);
  },
);
