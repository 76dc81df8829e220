/**
 * Other tracers' traces in every format: LTTng's, recorded here, and random ones of
 * every TSDL type. BUNTRACE_EXPORT_CASES sets how many random ones.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type EventRecord, openTraces } from "../../src/ctf/index.ts";
import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { writeRandomTrace } from "../ctf/random-trace.ts";
import { exportHere } from "../support/exported.ts";
import { Lttng } from "../support/lttng.ts";
import { numberFromEnvironment, runCases } from "../support/random.ts";
import { readChrome } from "./readers/chrome.ts";
import type { Drawn } from "./readers/drawn.ts";
import { attributesOf, type OtlpLog, readJson, readProto } from "./readers/otlp.ts";
import { readPerfetto } from "./readers/perfetto.ts";
import { readSpeedscope } from "./readers/speedscope.ts";
import { checkRows, readCsv, readParquet } from "./readers/tables.ts";

const root = mkdtempSync(join(tmpdir(), "buntrace-export-"));
afterAll(() => rmSync(root, { recursive: true }));

const CASES = numberFromEnvironment("BUNTRACE_EXPORT_CASES", 25);

/** Exports a directory, and checks what there is without spans: every event, once, in its place. */
async function checkAll(directory: string, file: string): Promise<{ perfetto: Drawn; logs: OtlpLog[] }> {
  const events = [...openTraces(directory).events()];
  const get = async (format: string): Promise<Buffer> => {
    const { bytes, problems } = await exportHere(directory, format, file);
    expect(problems).toEqual([]);
    return bytes;
  };
  checkRows(readCsv(await get("csv")), events, "time_ns");
  checkRows(await readParquet(await get("parquet")), events, "time");
  const perfetto = readPerfetto(await get("perfetto"));
  checkInstants(perfetto, events, (time) => time);
  const chrome = readChrome(await get("chrome"));
  // Microseconds as doubles after the begin: beyond a month two of them may be a nanosecond apart, and not exact.
  const isFar = (time: bigint): boolean => time - chrome.begin > 2n ** 51n;
  checkInstants(
    { ...chrome, instants: chrome.instants.map((one) => ({ ...one, time: one.time + chrome.begin })) },
    events,
    (time) => (isFar(time) ? 0n : time),
  );
  readSpeedscope(await get("speedscope"));
  const logs = readJson<OtlpLog>("logs", await get("otlp-json-logs")).map(({ item }) => item);
  checkLogs(logs, events);
  checkLogs(
    readProto<OtlpLog>("logs", await get("otlp-proto-logs")).map(({ item }) => item),
    events,
  );
  for (const format of ["otlp-json", "otlp-json-metrics", "otlp-proto-metrics"])
    expect(await get(format)).toHaveLength(0);
  return { perfetto, logs };
}

function checkInstants(
  { instants, spans }: Drawn,
  events: readonly EventRecord[],
  comparable: (time: bigint) => bigint,
): void {
  const lines = (list: readonly { readonly name: string; readonly time: bigint | undefined }[]): string[] =>
    list.map(({ name, time = -1n }) => `${comparable(time)} ${name}`).toSorted();
  expect(spans).toEqual([]);
  expect(lines(instants)).toEqual(lines(events));
}

function checkLogs(logs: readonly OtlpLog[], events: readonly EventRecord[]): void {
  expect(logs.map(({ eventName, timeUnixNano }) => `${timeUnixNano} ${eventName}`).toSorted()).toEqual(
    events.map(({ name, time }) => `${time} ${name}`).toSorted(),
  );
}

test("LTTng's traces, with contexts", async () => {
  await using lttng = new Lttng();
  await lttng.start();
  const program = await lttng.compile(join(import.meta.dirname, "../ctf/programs/lttng/app.c"), "app");
  const contexts = ["vpid", "vtid", "procname"];
  const channel = ["--subbuf-size=16k", "--num-subbuf=64"];
  const directory = await lttng.record({ name: "export", channel, events: "app:*", contexts }, () =>
    lttng.run(program, "100"),
  );
  const { perfetto, logs } = await checkAll(directory, join(root, "lttng.out"));
  expect(perfetto.instants).toHaveLength(2 * (100 + 10 + 1));
  const all = perfetto.instants.find(({ name, args }) => name === "app:all" && args["tiny"] === 0n);
  expect(all?.args).toEqual(
    expect.objectContaining({
      large: 2n ** 64n - 1n,
      hex: 0n,
      fixed: [1n, 2n, 65535n],
      letters: "firs",
      numbers: "[]",
      state: "idle",
    }),
  );
  expect(all?.args).not.toHaveProperty("vtid");
  expect(new Set(perfetto.instants.map(({ thread }) => thread))).toEqual(new Set(["app"]));
  const log = logs.find(({ eventName }) => eventName === "app:all");
  expect(attributesOf(log?.attributes)).toMatchObject({ "thread.name": "app", letters: "firs", numbers: [] });
});

test("random traces of every type", async () => {
  await runCases("test/export/foreign.test.ts", CASES, 1, async (random, index) => {
    const directory = join(root, String(index));
    writeRandomTrace(random, directory);
    await checkAll(directory, join(root, `${index}.out`));
    rmSync(directory, { recursive: true });
  });
});

/** Of hand-made packets; it is no thread, so it is shown. */
const CPU = { cpu_id: 0n };

test("begins and ends that only names and threads tie together are spans", async () => {
  const metadata = `${HEAD}
    ${streamBlock(0, "event.context := struct { u32 vpid; u32 vtid; };")}
    event { name = "lib:work_begin"; id = 0; stream_id = 0; fields := struct { u32 n; }; };
    event { name = "lib:work_end"; id = 1; stream_id = 0; fields := struct { u32 n; }; };`;
  const event = (id: number, time: number, vtid: number) => ({
    id,
    time: BigInt(time),
    body: (bits: { integer(value: bigint, size: number, little: boolean): void }) => {
      for (const value of [7, vtid, time]) bits.integer(BigInt(value), 32, true);
    },
  });
  // Thread 1: one inside another; thread 2: one that goes on when the trace ends, and an end of one before it.
  const events = [
    event(0, 10, 1),
    event(1, 15, 2),
    event(0, 20, 1),
    event(0, 25, 2),
    event(1, 30, 1),
    event(1, 40, 1),
  ];
  const directory = writeTrace(join(root, "names"), { metadata, one: packet(events) });
  const begin = openTraces(directory).base - 10n;
  const file = join(root, "names.out");
  const { spans, instants } = readPerfetto((await exportHere(directory, "perfetto", file)).bytes);
  expect(spans.map(({ name, start, end, args }) => [name, start - begin, end && end - begin, args])).toEqual([
    ["lib:work", 20n, 30n, { ...CPU, n: 20n, "end.n": 30n }],
    ["lib:work", 10n, 40n, { ...CPU, n: 10n, "end.n": 40n }],
    ["lib:work", 25n, undefined, { ...CPU, n: 25n, unfinished: true }],
  ]);
  expect(instants.map(({ name, time }) => [name, time - begin])).toEqual([["lib:work_end", 15n]]);
});
