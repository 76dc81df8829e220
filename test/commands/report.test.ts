/**
 * `buntrace report`, `graph`, `hist` and `diff` on real recordings of random spans, beside
 * sums over what babeltrace2 reads: every number, by name, thread, field and path; after a
 * SIGKILL, and with events discarded.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { PERCENTILE_ERROR } from "../../src/report/histogram.ts";
import { readReport, type TraceEvent } from "../support/babeltrace.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { seed, SEED } from "../support/random.ts";
import { run } from "../support/run.ts";
import { type ExpectedSpan, expectedSpans, type Told } from "../spans/oracle.ts";
import { percentile, type Sums, sumsBy, toldOf } from "./summed.ts";

setDefaultTimeout(120_000);

const FOREST = join(import.meta.dirname, "programs/forest.ts");
const EVENTS = 1500;

type Line = Readonly<Record<string, unknown>>;

/** What a command prints with --json. Fails when it says anything on stderr. */
async function json(place: Place, ...args: string[]): Promise<Line[]> {
  const { stdout, stderr, status } = await cli(place, [...args, "--json"]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

function ofKind(lines: readonly Line[], kind: string): Line[] {
  return lines.filter((line) => line["kind"] === kind);
}

/** Fails unless a line has these sums; percentiles as near as they are said to be. */
function expectSums(line: Line | undefined, sums: Sums | undefined): void {
  if (sums === undefined) throw new Error(`not expected: ${JSON.stringify(line)}`);
  const { durations, ...exact } = sums;
  const { count, failed, running, total_ns: total, self_ns: self, max_ns: max } = line ?? {};
  expect({ count, failed, running, total: total ?? 0, self: self ?? 0, max: max ?? 0 }).toEqual(exact);
  for (const [name, share] of [
    ["p50_ns", 0.5],
    ["p95_ns", 0.95],
    ["p99_ns", 0.99],
  ] as const) {
    if (line?.[name] === undefined || durations.length === 0) continue;
    const right = percentile(durations, share);
    expect(Math.abs(Number(line[name]) - right)).toBeLessThanOrEqual(right * PERCENTILE_ERROR);
  }
}

describe.each(["end", "kill"])("a program that came to its %s", (mode) => {
  let place: Place;
  let events: readonly TraceEvent[];
  let told: Told[];
  let spans: ExpectedSpan[];

  beforeAll(async () => {
    place = new Place();
    seed();
    const { status, signal, stderr } = await run(place, FOREST, {
      args: [String(SEED), String(EVENTS), mode],
    });
    expect([status ?? signal, stderr]).toEqual([mode === "kill" ? "SIGKILL" : 0, ""]);
    const reading = await readReport(place.output);
    expect(reading.discarded).toBe(0);
    events = reading.events.filter(({ name }) => name.startsWith("test:"));
    told = toldOf(events);
    ({ spans } = expectedSpans(told));
    expect(spans.some(({ end }) => end === undefined)).toBe(true);
  });
  afterAll(async () => {
    await place[Symbol.asyncDispose]();
  });

  test("report: every sum by name, counters and events; and what was running", async () => {
    const lines = await json(place, "report", place.output, "-e", "test:*");
    const expected = sumsBy(spans, ({ name }) => name);
    expect(ofKind(lines, "span")).toHaveLength(expected.size);
    for (const line of ofKind(lines, "span")) expectSums(line, expected.get(String(line["name"])));
    const totals = ofKind(lines, "span").map((line) => Number(line["total_ns"]));
    expect(totals).toEqual(totals.toSorted((a, b) => b - a));

    const values = events
      .filter(({ name }) => name === "test:depth")
      .map(({ fields }) => Number(fields["value"]));
    const seconds = (told.at(-1)?.time ?? 0) / 1e9;
    const [counter] = ofKind(lines, "counter");
    expect(counter).toMatchObject({
      name: "test:depth",
      count: values.length,
      min: Math.min(...values),
      max: Math.max(...values),
      last: values.at(-1),
    });
    expect(Number(counter?.["mean"])).toBeCloseTo(values.reduce((a, b) => a + b, 0) / values.length, 9);
    const notes = events.filter(({ name }) => name === "test:note").length;
    const [note] = ofKind(lines, "event");
    expect(note).toMatchObject({ name: "test:note", count: notes });
    expect(Number(note?.["a_second"])).toBeWithin((notes / seconds) * 0.2, (notes / seconds) * 1.0001);

    const running = spans.filter(({ end }) => end === undefined);
    const byBegin = (a: ExpectedSpan, b: ExpectedSpan): number => a.start - b.start || a.stream - b.stream;
    expect(
      ofKind(lines, "running").map(({ name, id, parent, fields, end_may_be_lost: lost }) => ({
        name,
        id,
        parent,
        fields,
        lost,
      })),
    ).toEqual(
      running.toSorted(byBegin).map(({ name, id, parentId, own }) => ({
        name,
        id,
        parent: parentId,
        fields: { work: own },
        lost: false,
      })),
    );
    const last = told.at(-1)?.time ?? 0;
    const [first] = running.toSorted(byBegin);
    // From its begin to the last event of all.
    expect(Number(ofKind(lines, "running")[0]?.["for_ns"])).toBeGreaterThanOrEqual(
      last - (first?.start ?? 0),
    );
  });

  test("report by thread, by a field of the begin and of the end", async () => {
    const threads = new Map(events.map(({ tid, threadName }) => [tid, `${threadName} ${tid}`]));
    const keys: Readonly<Record<string, (span: ExpectedSpan) => string>> = {
      thread: ({ stream }) => threads.get(stream) ?? "",
      work: ({ own }) => String(own),
      result: ({ endOwn }) => (endOwn === undefined ? "(none)" : String(endOwn)),
      failed: ({ end, failed }) => (end === undefined ? "(none)" : String(failed)),
    };
    for (const [by, key] of Object.entries(keys)) {
      const lines = ofKind(await json(place, "report", place.output, "-e", "test:*", "--by", by), "span");
      const expected = sumsBy(spans, (span) => `${span.name} ${key(span)}`);
      expect(lines).toHaveLength(expected.size);
      for (const line of lines) expectSums(line, expected.get(`${line["name"]} ${line["by"]}`));
    }
  });

  test("the filters choose spans by name, thread, begin and the fields of both ends", async () => {
    const tid = spans[0]?.stream ?? 0;
    const middle = told[told.length >> 1]?.time ?? 0;
    const since = (events[0]?.timeNs ?? 0n) + BigInt(middle);
    const at = `${since / 1_000_000_000n}.${String(since % 1_000_000_000n).padStart(9, "0")}`;
    const cases: readonly (readonly [args: string[], keep: (span: ExpectedSpan) => boolean])[] = [
      [["-e", "test:que*"], ({ name }) => name === "test:query"],
      [["-e", "test:*", "--thread", String(tid)], ({ stream }) => stream === tid],
      [["-e", "test:*", "--thread", "sec*"], ({ stream }) => stream !== tid],
      [["-e", "test:*", "--since", at], ({ start }) => start >= middle],
      [["-e", "test:*", "--until", at], ({ start }) => start <= middle],
      [["-e", "test:*", "-w", "work == 3"], ({ own }) => own === 3],
      [
        ["-e", "test:*", "-w", "result >= 2 && work < 4"],
        ({ own, endOwn }) => endOwn !== undefined && endOwn >= 2 && (own ?? 0) < 4,
      ],
      [
        ["-e", "test:*", "-w", "duration > 5000"],
        ({ start, end }) => end !== undefined && end - start > 5000,
      ],
    ];
    for (const [args, keep] of cases) {
      const lines = ofKind(await json(place, "report", place.output, ...args), "span");
      const expected = sumsBy(spans.filter(keep), ({ name }) => name);
      expect(`${args.join(" ")}: ${lines.length}`).toBe(`${args.join(" ")}: ${expected.size}`);
      for (const line of lines) expectSums(line, expected.get(String(line["name"])));
    }
  });

  test("graph: every sum by path, the longest first", async () => {
    const lines = ofKind(await json(place, "graph", place.output, "-e", "test:*"), "path");
    const expected = sumsBy(spans, ({ path }) => path);
    const whole = [...expected.values()].reduce((sum, { self }) => sum + self, 0);
    expect(lines).toHaveLength(expected.size);
    for (const line of lines) {
      const sums = expected.get((line["path"] as string[]).join(" > "));
      expectSums(line, sums);
      expect(Number(line["share"])).toBeCloseTo((sums?.self ?? 0) / whole, 9);
    }
  });

  test("hist: of a span every duration; from event to event, on a thread and by a field", async () => {
    const [summary, ...buckets] = await json(place, "hist", place.output, "test:request");
    const { durations } = sumsBy(spans, ({ name }) => name).get("test:request") ?? { durations: [] };
    expect(summary).toMatchObject({
      count: durations.length,
      min_ns: durations[0],
      max_ns: durations.at(-1),
    });
    for (const { from_ns: from, to_ns: to, count } of buckets)
      expect(count).toBe(durations.filter((one) => one >= Number(from) && one < Number(to)).length);
    expect(buckets.reduce((sum, { count }) => sum + Number(count), 0)).toBe(durations.length);

    // Ids are unique in a thread only.
    const tid = String(spans[0]?.stream);
    const tied = await json(
      place,
      "hist",
      place.output,
      "test:query_begin",
      "test:query_end",
      "--by",
      "span_id",
      "-t",
      tid,
    );
    const queries = spans.filter(
      ({ name, stream, end }) => name === "test:query" && String(stream) === tid && end !== undefined,
    );
    expect(tied[0]).toMatchObject({
      count: queries.length,
      max_ns: Math.max(...queries.map(({ start, end = 0 }) => end - start)),
    });

    const pairs: number[] = [];
    const latest = new Map<number, number>();
    for (const { name, stream, time } of told) {
      if (name === "test:depth") latest.set(stream, time);
      if (name !== "test:note") continue;
      const from = latest.get(stream);
      if (from !== undefined) pairs.push(time - from);
      latest.delete(stream);
    }
    expect((await json(place, "hist", place.output, "test:depth", "test:note"))[0]).toMatchObject({
      count: pairs.length,
      min_ns: Math.min(...pairs),
      max_ns: Math.max(...pairs),
    });
  });
});

test("events discarded: what is whole is summed, what is not is counted and said", async () => {
  await using place = new Place();
  const session = { enable: ["test:*"], subBufferSize: 4096, subBuffers: 2 };
  await run(place, FOREST, { args: [String(seed() || SEED), "60000", "end"], session });
  const { events, discarded } = await readReport(place.output);
  expect(discarded).toBeGreaterThan(0);
  const told = toldOf(events);
  const ids = new Set<string>();
  let ended = 0;
  let stray = 0;
  for (const { kind, stream, id } of told) {
    if (kind === "begin") ids.add(`${stream} ${id}`);
    if (kind !== "end") continue;
    if (ids.delete(`${stream} ${id}`)) ended += 1;
    else stray += 1;
  }
  const all = await json(place, "report", place.output);
  expect(ofKind(all, "span").reduce((sum, { count }) => sum + Number(count), 0)).toBe(ended);
  expect(ofKind(all, "trace")[0]).toMatchObject({ discarded_events: discarded, ends_without_begin: stray });
  const running = ofKind(all, "running");
  expect(running).toHaveLength(ids.size);
  const { stdout } = await cli(place, ["report", place.output]);
  expect(stdout).toContain(`lost: ${discarded.toLocaleString("en-US")} events discarded`);
  expect(stdout).toContain(`${stray.toLocaleString("en-US")} ends without a begin`);
  const unsure = running.filter(({ end_may_be_lost: lost }) => lost === true).length;
  expect(unsure).toBeGreaterThan(0);
  expect(stdout).toContain(
    `running at the end: ${running.length.toLocaleString("en-US")} spans; the ends of ${unsure.toLocaleString("en-US")} may be among the lost events\n`,
  );
});

test("report tells the errors that nobody caught, of all threads, the latest five", async () => {
  await using place = new Place();
  const worker = `throw new RangeError("in a\\nWorker");`;
  writeFileSync(join(place.dir, "worker.ts"), worker);
  writeFileSync(
    join(place.dir, "app.ts"),
    `process.on("unhandledRejection", () => {});
    const worker = new Worker("./worker.ts");
    await new Promise((resolve) => { worker.onerror = resolve; });
    for (let n = 1; n <= Number(process.argv[2]); n++) {
      Promise.reject(new TypeError("number " + n));
      await Bun.sleep(1);
    }
    throw "no error at all";`,
  );
  const shown = async (count: string): Promise<string[]> => {
    await cli(place, ["record", "app.ts", count]);
    const lines = (await cli(place, ["report"])).stdout.split("\n");
    const head = lines.findIndex((line) => line.startsWith("uncaught: "));
    return lines
      .slice(head, lines.indexOf("", head))
      .map((line) => line.replace(/(main|worker) \d+$/, "$1 TID"));
  };
  expect(await shown("1")).toEqual([
    "uncaught: 3 errors",
    `  RangeError: in a Worker  at ${place.dir}/worker.ts:1:11  thread worker TID`,
    expect.stringMatching(/^ {2}TypeError: number 1 {2}at .*app\.ts:5:\d+\)? {2}thread main TID$/),
    expect.stringMatching(/no error at all {2}thread main TID$/),
  ]);
  const many = await shown("7");
  expect(many[0]).toBe("uncaught: 9 errors, the latest 5");
  expect(many.slice(1, -1).map((line) => /number \d/.exec(line)?.[0])).toEqual(
    [4, 5, 6, 7].map((n) => `number ${n}`),
  );
  const told = ofKind(await json(place, "report"), "uncaught");
  expect(told.map(({ message }) => message)).toEqual([
    ...[4, 5, 6, 7].map((n) => `number ${n}`),
    "no error at all",
  ]);
});
