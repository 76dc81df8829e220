/** Events as OTLP's log records: severities of all levels, fields of one name in several places, losses, whose they are. */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";

import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { exportHere } from "../support/exported.ts";
import { Place } from "../support/place.ts";
import { attributesOf, type Found, type OtlpLog, readJson, readProto } from "./readers/otlp.ts";
import { readChrome } from "./readers/chrome.ts";

const place = new Place();
afterAll(() => place[Symbol.asyncDispose]());

interface Bits {
  bytes(bytes: Uint8Array): void;
}

async function logs(directory: string, encoding: "json" | "proto" = "json"): Promise<Found<OtlpLog>[]> {
  const { bytes } = await exportHere(directory, `otlp-${encoding}-logs`, join(place.dir, "out"));
  return encoding === "json" ? readJson<OtlpLog>("logs", bytes) : readProto<OtlpLog>("logs", bytes);
}

/** The least and the greatest severity number that OpenTelemetry's ranges have for LTTng's levels 0 to 14, and none. */
const SEVERITIES: readonly (readonly [least: number, greatest: number, text: string])[] = [
  [21, 24, "EMERGENCY"],
  [21, 24, "ALERT"],
  [21, 24, "CRITICAL"],
  [17, 20, "ERROR"],
  [13, 16, "WARNING"],
  [10, 12, "NOTICE"],
  [9, 9, "INFO"],
  ...Array.from({ length: 8 }, (): [number, number, string] => [5, 8, "DEBUG"]),
];

test("severities: in OpenTelemetry's ranges, and in the order of the levels", async () => {
  const events = SEVERITIES.map(
    (_range, level) => `event { name = "a:${level}"; id = ${level}; stream_id = 0; loglevel = ${level}; };`,
  );
  const directory = writeTrace(join(place.dir, "levels"), {
    metadata: `${HEAD}${streamBlock()}${events.join("\n")} event { name = "a:none"; id = 15; stream_id = 0; };`,
    one: packet(Array.from({ length: 16 }, (_none, id) => ({ id, time: BigInt(id) }))),
  });
  const found = (await logs(directory)).map(({ item }) => item);
  expect(found).toHaveLength(16);
  for (const [level, [least, greatest, text]] of SEVERITIES.entries()) {
    const { severityNumber = NaN, severityText } = found[level] ?? {};
    expect([level, severityText]).toEqual([level, text]);
    expect(severityNumber).toBeWithin(least, greatest + 1);
    if (level > 0) expect(severityNumber).toBeLessThanOrEqual(found[level - 1]?.severityNumber ?? NaN);
  }
  expect(found[15]).not.toContainKeys(["severityNumber", "severityText"]);
  // An event's time is to the nanosecond; events without a level are not of level 0.
  expect(found.map(({ timeUnixNano }) => BigInt(timeUnixNano) - 1_700_000_000_000_000_005n)).toEqual(
    Array.from({ length: 16 }, (_none, at) => BigInt(at)),
  );
});

test.each(["json", "proto"] as const)(
  "%s: what was lost is a warning, at the end of its time",
  async (encoding) => {
    const directory = writeTrace(join(place.dir, "lossy"), {
      metadata: `${HEAD}${streamBlock()} event { name = "a:b"; id = 0; stream_id = 0; };`,
      one: Buffer.concat([
        packet([{ time: 100n }], { sequence: 0n }),
        packet([{ time: 500n }], { sequence: 1n, begin: 400n, end: 600n, discarded: 3n }),
      ]),
    });
    const [loss] = (await logs(directory, encoding)).filter(({ item }) => item.eventName === "buntrace.loss");
    const base = 1_700_000_000_000_000_005n;
    expect(BigInt(loss?.item.timeUnixNano ?? 0) - base).toBe(600n);
    expect(loss?.item.severityText).toBe("WARNING");
    const attributes = attributesOf(loss?.item.attributes);
    expect(attributes).toEqual({
      stream: "one",
      count: 3n,
      from_unix_nano: base + 100n,
      to_unix_nano: base + 600n,
    });
  },
);

test("fields of one name in several places are all there", async () => {
  const directory = writeTrace(join(place.dir, "scopes"), {
    metadata: `${HEAD}${streamBlock(0, "event.context := struct { u8 n; u8 s; };")}
      event { name = "a:b"; id = 0; stream_id = 0; context := struct { u8 n; u8 s; }; fields := struct { u8 n; u8 cpu_id; }; };`,
    one: packet([{ time: 1n, body: (bits: Bits) => bits.bytes(Uint8Array.of(1, 2, 3, 4, 5, 6)) }], {
      cpu: 7,
    }),
  });
  const expected = {
    n: 5n,
    cpu_id: 6n,
    "context.n": 3n,
    s: 4n,
    "stream.n": 1n,
    "stream.s": 2n,
    "packet.cpu_id": 7n,
  };
  const [log] = await logs(directory);
  expect(attributesOf(log?.item.attributes)).toMatchObject(expected);
  const { bytes } = await exportHere(directory, "chrome", join(place.dir, "out"));
  const plain = Object.fromEntries(Object.entries(expected).map(([name, value]) => [name, Number(value)]));
  expect(readChrome(bytes).instants[0]?.args).toEqual(plain);
});

test("the events of a machine are of their processes", async () => {
  const body = (pid: number, tid: number) => (bits: Bits) =>
    bits.bytes(Uint8Array.of(pid, 0, 0, 0, tid, 0, 0, 0));
  const directory = writeTrace(join(place.dir, "machine"), {
    metadata: `${HEAD}env { hostname = "host"; };${streamBlock(0, "event.context := struct { u32 vpid; u32 vtid; };")}
      event { name = "a:b"; id = 0; stream_id = 0; };`,
    one: packet([
      { time: 1n, body: body(7, 71) },
      { time: 2n, body: body(8, 81) },
      { time: 3n, body: body(7, 72) },
    ]),
  });
  const whose = (await logs(directory)).map(({ item, resource }) => [
    resource["process.pid"],
    attributesOf(item.attributes)["thread.id"],
  ]);
  expect(whose.toSorted()).toEqual([
    [7n, 71n],
    [7n, 72n],
    [8n, 81n],
  ]);
  const { bytes } = await exportHere(directory, "chrome", join(place.dir, "out"));
  const events = (
    JSON.parse(bytes.toString()) as { traceEvents: { ph: string; pid: number; tid: number }[] }
  ).traceEvents
    .filter(({ ph }) => ph === "i")
    .map(({ pid, tid }) => [pid, tid]);
  expect(events).toEqual([
    [7, 71],
    [8, 81],
    [7, 72],
  ]);
});
