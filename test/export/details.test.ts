/**
 * What the traces of the other tests are too small or too plain for: many rows, columns
 * of one name, threads that are renamed, texts longer than what is kept in memory.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetMetadata } from "hyparquet";

import { writeRequests } from "../../bench/requests.ts";
import { openTraces } from "../../src/ctf/index.ts";
import { Spool } from "../../src/export/spool.ts";
import type { FilterOptions } from "../../src/report/filter.ts";
import { Output } from "../../src/report/output.ts";
import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { exportHere } from "../support/exported.ts";
import { type OtlpSpan, readJson } from "./readers/otlp.ts";
import { readChrome } from "./readers/chrome.ts";
import { readPerfetto } from "./readers/perfetto.ts";
import { readCsv, readParquet } from "./readers/tables.ts";

const root = mkdtempSync(join(tmpdir(), "buntrace-export-"));
afterAll(() => rmSync(root, { recursive: true }));

interface Bits {
  bytes(bytes: Uint8Array): void;
  integer(value: bigint, size: number, littleEndian: boolean): void;
}

test("Parquet: several groups of rows", async () => {
  const directory = join(root, "requests");
  writeRequests(directory, 70_000);
  const { bytes } = await exportHere(directory, "parquet", join(root, "requests.parquet"));
  expect(parquetMetadata(new Uint8Array(bytes).buffer).row_groups.length).toBeGreaterThan(2);
  const rows = await readParquet(bytes);
  const events = [...openTraces(directory).events()];
  expect(rows).toHaveLength(events.length);
  const differs = events.findIndex(({ time, name, fields }, at) => {
    const { time: inRow, event, span_id: id } = rows[at] ?? {};
    return inRow !== time || event !== name || String(id ?? undefined) !== String(fields?.["span_id"]);
  });
  expect(differs).toBe(-1);
});

test("spans begun in a stretch of time are those of the whole, with their ends", async () => {
  const directory = join(root, "stretch");
  writeRequests(directory, 70_000);
  const spans = async (options: FilterOptions): Promise<string[]> => {
    const { bytes } = await exportHere(directory, "otlp-json", join(root, "stretch.json"), options);
    return readJson<OtlpSpan>("traces", bytes)
      .map(({ item }) =>
        [item.startTimeUnixNano, item.endTimeUnixNano, item.spanId, item.parentSpanId].join(" "),
      )
      .toSorted();
  };
  const all = await spans({});
  const { base } = openTraces(directory);
  const [since, until] = [base + 2_000_000n, base + 6_000_000n];
  const within = all.filter(
    (line) => BigInt(line.split(" ")[0] ?? 0) >= since && BigInt(line.split(" ")[0] ?? 0) <= until,
  );
  expect(within.length).toBeGreaterThan(1000);
  expect(await spans({ since: "+2ms", until: "+6ms" })).toEqual(within);
});

describe("columns of one name", () => {
  const metadata = `${HEAD}${streamBlock()}
    typealias floating_point { exp_dig = 11; mant_dig = 53; align = 8; } := f64;
    event { name = "a:small"; id = 0; stream_id = 0; fields := struct { u8 n; u8 cpu_id; u32 event; }; };
    event { name = "a:large"; id = 1; stream_id = 0; fields := struct { u32 n; u8 kind; }; };
    event { name = "a:text"; id = 2; stream_id = 0; fields := struct { string kind; }; };`;
  const body = (...parts: readonly (readonly [value: number, size: number])[]) => ({
    body: (bits: Bits) => {
      for (const [value, size] of parts) bits.integer(BigInt(value), size, true);
    },
  });
  const events = [
    { id: 0, time: 1n, ...body([1, 8], [2, 8], [3, 32]) },
    { id: 1, time: 2n, ...body([4_000_000_000, 32], [5, 8]) },
    { id: 2, time: 3n, body: (bits: Bits) => bits.bytes(Buffer.from("k\0")) },
  ];

  test("are one where their types are alike, and told apart where they are not", async () => {
    const directory = writeTrace(join(root, "names"), { metadata, one: packet(events, { cpu: 7 }) });
    const csv = readCsv((await exportHere(directory, "csv", join(root, "names.csv"))).bytes);
    const common = { pid: "", program: "", cpu_id: "7" };
    const time = (after: bigint): { time_ns: string } => ({
      time_ns: String(1_700_000_000_000_000_005n + after),
    });
    const empty = { n: "", "fields.cpu_id": "", "fields.event": "", "kind:i32": "", "kind:text": "" };
    expect(csv).toEqual([
      {
        ...empty,
        ...common,
        ...time(1n),
        event: "a:small",
        n: "1",
        "fields.cpu_id": "2",
        "fields.event": "3",
      },
      { ...empty, ...common, ...time(2n), event: "a:large", n: "4000000000", "kind:i32": "5" },
      { ...empty, ...common, ...time(3n), event: "a:text", "kind:text": "k" },
    ]);
    const rows = await readParquet(
      (await exportHere(directory, "parquet", join(root, "names.parquet"))).bytes,
    );
    expect(rows.map(({ n, "kind:text": kind }) => [n, kind])).toEqual([
      [1n, null],
      [4_000_000_000n, null],
      [null, "k"],
    ]);
  });
});

describe("columns", () => {
  const metadata = `${HEAD}
    ${streamBlock().replace("u32 cpu_id", "u32 tid; integer { size = 8; encoding = UTF8; } thread_name[8]")}
    event { name = "a:x"; id = 0; stream_id = 0; fields := struct { u8 x; }; };
    event { name = "a:y"; id = 1; stream_id = 0; fields := struct { u64 y; enum : u8 { "false" = 0, "true" = 1 } is; }; };
    event { name = "a:z"; id = 2; stream_id = 0; fields := struct { u8 time_ns; u8 time_ns_; }; };`;
  const thread = (
    tid: number,
    ...events: readonly [id: number, time: number, body: number[]][]
  ): Uint8Array =>
    packet(
      events.map(([id, time, body]) => ({
        id,
        time: BigInt(time),
        body: (bits: Bits) => bits.bytes(Uint8Array.from(body)),
      })),
      { instance: BigInt(tid), cpu: tid, context: Buffer.from("t".padEnd(8, "\0")) },
    );
  const directory = writeTrace(join(root, "columns"), {
    metadata,
    one: thread(1, [0, 1000, [7]]),
    two: thread(
      2,
      [1, 2000, [255, 255, 255, 255, 255, 255, 255, 255, 1]],
      [1, 2001, [0, 0, 0, 0, 0, 0, 0, 0, 2]],
      [2, 3000, [3, 4]],
    ),
  });
  const csv = async (options: FilterOptions): Promise<string[]> =>
    (await exportHere(directory, "csv", join(root, "columns.csv"), options)).bytes
      .toString()
      .trim()
      .split("\n");

  test.each<[options: FilterOptions, columns: string]>([
    [{}, ",x,y,is,fields.time_ns,time_ns_"],
    [{ event: ["a:x"] }, ",x"],
    [{ event: ["*y"] }, ",y,is"],
    [{ thread: ["1"] }, ",x"],
    [{ until: "+0ns" }, ",x"],
    [{ since: "+1000ns", until: "+1us" }, ",y,is,fields.time_ns,time_ns_"],
  ])("%p: those of the events that may pass", async (options, columns) => {
    const [head] = await csv(options);
    expect(head).toBe(`time_ns,event,pid,program,tid,thread_name${columns}`);
  });

  test("booleans by number, the greatest integers", async () => {
    const rows = (await csv({ event: ["a:y"] })).slice(1).map((row) => row.split(",").slice(-2));
    expect(rows).toEqual([
      ["18446744073709551615", "true"],
      ["0", "true"],
    ]);
  });

  test("Parquet says what its times are, and has no bounds of what readers would order wrongly", async () => {
    const { bytes } = await exportHere(directory, "parquet", join(root, "columns.parquet"));
    const { schema, row_groups: groups } = parquetMetadata(new Uint8Array(bytes).buffer);
    expect(schema.find(({ name }) => name === "time")?.logical_type).toEqual({
      type: "TIMESTAMP",
      isAdjustedToUTC: true,
      unit: "NANOS",
    });
    const bounds = Object.fromEntries(
      (groups[0]?.columns ?? []).map(({ meta_data: data }) => [
        data?.path_in_schema.join("."),
        data?.statistics?.max_value ?? data?.statistics?.max,
      ]),
    );
    expect(bounds["y"]).toBeUndefined();
    expect(bounds["x"]).toBe(7);
  });
});

test("a thread that is renamed has its last name", async () => {
  const metadata = `${HEAD.replace("cpu_id", "tid")}
    ${streamBlock().replace("u32 cpu_id", "u32 tid; integer { size = 8; encoding = UTF8; } thread_name[8]")}
    event { name = "a:note"; id = 0; stream_id = 0; fields := struct { }; };`;
  const named = (name: string, time: bigint): Uint8Array =>
    packet([{ time }], { cpu: 4711, context: Buffer.from(name.padEnd(8, "\0")) });
  const directory = writeTrace(join(root, "renamed"), {
    metadata,
    one: Buffer.concat([named("worker", 1n), named("indexer", 2n)]),
  });
  const perfetto = readPerfetto((await exportHere(directory, "perfetto", join(root, "renamed.out"))).bytes);
  const chrome = readChrome((await exportHere(directory, "chrome", join(root, "renamed.out"))).bytes);
  for (const { instants } of [perfetto, chrome])
    expect(instants.map(({ thread }) => thread)).toEqual(["indexer", "indexer"]);
});

test("a spool gives back each of its texts whole", () => {
  using spool = new Spool();
  const texts = Array.from({ length: 300 }, () => "");
  for (let turn = 0; turn < 60; turn += 1) {
    texts.forEach((text, at) => {
      // One text is much longer than the others, and not of one byte a character.
      const part = `${at}.${turn}✓`.repeat(at === 7 ? 5000 : 40);
      texts[at] = text + part;
      spool.write(at, part);
    });
  }
  const file = join(root, "spool.out");
  const out = new Output(openSync(file, "w"));
  for (const at of texts.keys()) spool.copy(at, out);
  out.flush();
  expect(readFileSync(file, "utf8") === texts.join("")).toBe(true);
});
