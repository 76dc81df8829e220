/**
 * `buntrace export` as a user runs it: filters, stdout and files, losses, damage, errors,
 * the line at the end.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { CLI, cli } from "../support/cli.ts";
import { type Everything, recordEverything } from "../support/exported.ts";
import { Place } from "../support/place.ts";
import type { Ended } from "../support/run.ts";
import { readChrome } from "./readers/chrome.ts";
import { type OtlpSpan, readJson } from "./readers/otlp.ts";
import { readPerfetto } from "./readers/perfetto.ts";
import { readSpeedscope } from "./readers/speedscope.ts";

let place: Place;
let emitted: Everything;
beforeAll(async () => {
  place = new Place();
  emitted = await recordEverything(place);
});
afterAll(async () => place[Symbol.asyncDispose]());

function exporting(format: string, ...args: readonly string[]): Promise<Ended> {
  return cli(place, ["export", place.output, "--to", format, ...args]);
}

async function otlpSpans(...args: readonly string[]): Promise<OtlpSpan[]> {
  const { stdout, status, stderr } = await exporting("otlp-json", ...args);
  expect([status, stderr.split("\n").length]).toEqual([0, 2]);
  return readJson<OtlpSpan>("traces", Buffer.from(stdout)).map(({ item }) => item);
}

describe("filters", () => {
  test.each([
    [["--event", "test:inner"], 4],
    [["--event", "*er"], 9],
    [["--event", "test:depth"], 0],
    [["--thread", "helper"], 1],
    [["--thread", "main", "--event", "test:outer"], 4],
    [["--where", 'label == "c"'], 1],
    // Of the end, where both have the field.
    [["--where", "n == 7"], 1],
    [["--where", "n == 2"], 0],
    [["--where", "failed"], 1],
    [["--where", "duration >= 0"], 7],
    [["--since", "+60s"], 0],
    [["--until", "+60s"], 9],
  ])("spans: %p", async (args, count) => {
    expect(await otlpSpans(...args)).toHaveLength(count);
  });

  test("a span that begins in time is there with its end, whenever that is", async () => {
    const spans = (await otlpSpans()).toSorted((one, other) =>
      one.startTimeUnixNano < other.startTimeUnixNano ? -1 : 1,
    );
    const [first] = spans;
    const seconds = `${first?.startTimeUnixNano.slice(0, -9)}.${first?.startTimeUnixNano.slice(-9)}`;
    expect(await otlpSpans("--until", seconds)).toEqual([first!]);
    expect(await otlpSpans("--since", seconds)).toHaveLength(spans.length);
  });

  test("events and rows", async () => {
    const { stdout } = await exporting("csv", "--event", "test:values", "--where", "small > 0");
    expect(stdout.split("\n")[0]).toStartWith("time_ns,event,pid,program,tid,thread_name,small,");
    expect(stdout.match(/^\d+,test:values,/gm)).toHaveLength(2);
    const drawn = readChrome(Buffer.from((await exporting("chrome", "--event", "test:values")).stdout));
    expect([drawn.spans.length, drawn.instants.length, drawn.values.length]).toEqual([0, 3, 0]);
  });

  test("the drawing formats choose spans as OTLP", async () => {
    const file = join(place.dir, "filtered");
    await exporting("perfetto", "--where", "failed || label == 'g'", "-o", file);
    const chrome = readChrome(
      Buffer.from((await exporting("chrome", "--where", "failed || label == 'g'")).stdout),
    );
    for (const { spans } of [readPerfetto(readFileSync(file)), chrome])
      expect(spans.map(({ name }) => name).toSorted()).toEqual(["test:inner", "test:outer"]);
  });

  test("speedscope chooses spans by their begins", async () => {
    const { stdout } = await exporting("speedscope", "--where", "n == 2 || n == 4");
    expect(new Set(readSpeedscope(Buffer.from(stdout)).spans.map(({ name }) => name))).toEqual(
      new Set(["test:inner"]),
    );
  });
});

describe("output", () => {
  test("stdout has the same as a file", async () => {
    const file = join(place.dir, "out.json");
    const [piped, filed] = [await exporting("chrome"), await exporting("chrome", "-o", file)];
    expect(filed.stdout).toBe("");
    expect(piped.stdout).toBe(readFileSync(file, "utf8"));
    expect(piped.stderr).toEndWith(" -> stdout; left out: 1 counter value without a number\n");
    expect(filed.stderr).toContain(` -> ${file} (`);
  });

  test("binary data is not written to a terminal", async () => {
    const command = `${process.execPath} ${CLI} export ${place.output} --to`;
    const terminal = (format: string): string =>
      Bun.spawnSync(["script", "-qec", `${command} ${format}`, "/dev/null"]).stdout.toString();
    for (const format of ["perfetto", "parquet", "otlp-proto"])
      expect(terminal(format)).toBe(
        `buntrace: ${format} is binary and stdout a terminal: use -o FILE, or a pipe\r\n`,
      );
    expect(terminal("csv")).toContain("test:values");
  });

  test("a reader that has enough, as head, is no error", async () => {
    const shell = `set -o pipefail; ${process.execPath} ${CLI} export ${place.output} --to csv | head -1`;
    const { stdout, exitCode } = Bun.spawnSync(["bash", "-c", shell]);
    expect([stdout.toString().split(",")[0], exitCode]).toEqual(["time_ns", 0]);
  });

  test("a disk that is full: one line, and no part of a file", async () => {
    const full = await exporting("csv", "-o", "/dev/full");
    expect([full.status, full.stderr]).toEqual([
      1,
      "buntrace: /dev/full: no space left on device; nothing was exported\n",
    ]);
    const file = join(place.dir, "limited.csv");
    const shell = `ulimit -f 1; trap '' XFSZ; ${process.execPath} ${CLI} export ${place.output} --to chrome -o ${file}`;
    const limited = Bun.spawnSync(["bash", "-c", shell]);
    expect(limited.exitCode).toBe(1);
    expect(limited.stderr.toString()).toContain(`${file}: file too large; nothing was exported`);
    expect(existsSync(file)).toBe(false);
  });
});

describe("errors are one line", () => {
  test.each([
    [["--to", "nothing"], 2, /argument 'nothing' is invalid: allowed choices are perfetto, chrome, /],
    [[], 2, /^buntrace: export needs --to and a format: perfetto, chrome, /],
    [
      ["--to", "csv", "-o", "/nowhere/file"],
      1,
      /^buntrace: \/nowhere\/file: no such file or directory; nothing/,
    ],
    [["--to", "csv", "--where", "id ="], 2, /^buntrace: --where id =: /],
    [["--to", "csv", "-o", "."], 1, /^buntrace: \.: illegal operation on a directory/],
  ])("%p", async (args, status, message) => {
    const result = await cli(place, ["export", place.output, ...args]);
    expect(result.status).toBe(status);
    expect(result.stderr).toMatch(message);
    expect(result.stderr.trim().split("\n")).toHaveLength(1);
  });

  test("no trace", async () => {
    const result = await cli(place, ["export", "/nowhere", "--to", "csv"]);
    expect([result.status, result.stderr]).toEqual([1, "buntrace: /nowhere: no such file or directory\n"]);
  });
});

describe("what is not whole", () => {
  const METADATA = `${HEAD}${streamBlock()}
env { tracer_name = "buntrace"; pid = 77; program = "app"; };
event { name = "app:note"; id = 0; stream_id = 0; fields := struct { u32 n; }; };`;
  const note = (time: bigint) => ({
    time,
    body: (bits: { integer(v: bigint, s: number, l: boolean): void }) => bits.integer(5n, 32, true),
  });

  test("discarded events are told, and are marks in the file", async () => {
    const directory = writeTrace(join(place.dir, "lossy"), {
      metadata: METADATA,
      one: Buffer.concat([
        packet([note(1000n)], { begin: 1000n, end: 1000n }),
        packet([note(9000n)], { begin: 9000n, end: 9000n, sequence: 3n, discarded: 12n }),
        packet([note(20_000n)], { begin: 20_000n, end: 20_000n, sequence: 4n, discarded: 13n }),
      ]),
    });
    const { stdout, stderr, status } = await cli(place, ["export", directory, "--to", "chrome", "--utc"]);
    expect(status).toBe(0);
    expect(stderr.split("\n")).toEqual([
      "warning: 12 events were discarded between [22:13:20.000001005] and [22:13:20.000009005] in stream one",
      "warning: 2 packets were lost between [22:13:20.000001005] and [22:13:20.000009005] in stream one",
      "warning: 1 event was discarded between [22:13:20.000009005] and [22:13:20.000020005] in stream one",
      "buntrace: 3 events, 3 loss marks -> stdout",
      "",
    ]);
    const { losses } = readChrome(Buffer.from(stdout));
    expect(losses.map(({ name, start, end }) => [name, start, end])).toEqual([
      ["12 events discarded (one)", 0n, 8000n],
      ["2 packets lost (one)", 0n, 8000n],
      ["1 event discarded (one)", 8000n, 19_000n],
    ]);
    const before = await cli(place, ["export", directory, "--to", "chrome", "--until", "+100ns"]);
    expect(before.stderr).toEndWith("buntrace: 1 event, 2 loss marks -> stdout\n");
    const logs = await cli(place, ["export", directory, "--to", "otlp-json-logs"]);
    expect(logs.stdout).toContain('"body":{"stringValue":"12 events discarded"}');
  });

  test("damage is told, the rest exported, and the status 1", async () => {
    const directory = writeTrace(join(place.dir, "damaged"), {
      metadata: METADATA,
      one: packet([{ id: 9, time: 1n }]),
      two: packet([note(5n)], { instance: 1n }),
    });
    for (const format of ["csv", "perfetto"]) {
      const file = join(place.dir, "damaged.out");
      const { stderr, status } = await cli(place, ["export", directory, "--to", format, "-o", file]);
      expect(stderr).toMatch(/^warning: .*no event with the id 9\nbuntrace: 1 event -> /);
      expect(status).toBe(1);
    }
  });

  test("a trace without events makes a file without events", async () => {
    const directory = join(place.dir, "empty");
    mkdirSync(directory);
    writeFileSync(join(directory, "metadata"), METADATA);
    const run = async (format: string): Promise<string> =>
      (await cli(place, ["export", directory, "--to", format])).stdout;
    expect(await run("csv")).toBe("time_ns,event,pid,program\n");
    expect(readChrome(Buffer.from(await run("chrome"))).spans).toEqual([]);
    expect(readSpeedscope(Buffer.from(await run("speedscope"))).profiles).toEqual([]);
    expect(await run("otlp-json")).toBe("");
  });
});

test("the emitted spans are those of the tests above", () => {
  expect(emitted.spans).toHaveLength(8);
});
