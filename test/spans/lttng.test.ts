/**
 * Spans of traces that LTTng-UST records here and now: begins and ends paired by their
 * names and threads, across the streams of processors. Needs lttng-tools,
 * liblttng-ust-dev and gcc.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { openTraces } from "../../src/ctf/index.ts";
import { spanItems } from "../../src/spans/index.ts";
import { cli } from "../support/cli.ts";
import { Lttng } from "../support/lttng.ts";
import { Place } from "../support/place.ts";

setDefaultTimeout(120_000);

const COUNT = 500;
const THREADS = 2;

const lttng = new Lttng();
let program = "";

beforeAll(async () => {
  await lttng.start();
  program = await lttng.compile(join(import.meta.dir, "programs/lttng/app.c"), "app");
});

afterAll(async () => {
  await lttng[Symbol.asyncDispose]();
});

const CHANNEL = ["--subbuf-size=64k", "--num-subbuf=16"];

function record(name: string, contexts: readonly string[]): Promise<string> {
  return lttng.record({ name, channel: CHANNEL, events: "app:*", contexts }, () =>
    lttng.run(program, String(COUNT)),
  );
}

test("with the context vtid: every pair, by thread, wherever the thread ran", async () => {
  const directory = await record("threads", ["vtid", "procname"]);
  const set = openTraces(directory);
  const items = [...spanItems(set)];
  set.close();
  expect(items.filter(({ kind }) => kind === "begin_lost" || kind === "end_lost")).toEqual([]);
  const spans = items.flatMap((item) => (item.kind === "end" ? [item.span] : []));
  const counts = Map.groupBy(spans, ({ name, thread }) => `${name} ${thread.name} ${thread.tid}`);
  const sizes = [...counts]
    .map(([name, { length }]) => `${name.split(" ").slice(0, 2).join(" ")} ${length}`)
    .sort();
  const jobs = Math.ceil(COUNT / 3);
  expect(sizes).toEqual(
    [`app:job app ${jobs}`, `app:read app ${COUNT}`, `app:work app ${COUNT}`].flatMap((one) =>
      Array<string>(THREADS).fill(one),
    ),
  );
  for (const { beginRecord, endRecord, duration, depth, name } of spans) {
    expect(beginRecord?.fields?.["number"]).toBe(endRecord?.fields?.["number"] ?? NaN);
    expect(duration).toBeGreaterThanOrEqual(0);
    expect(depth).toBe(name === "app:work" ? 1 : 2);
  }
  // The begin without an end type stays an event; the job around all never ended.
  expect(
    items.filter((item) => item.kind === "event" && item.record.name === "app:alone_begin"),
  ).toHaveLength(THREADS * COUNT);
  const running = items.flatMap((item) => (item.kind === "running" ? [item.span] : []));
  expect(running.map(({ name, fields }) => `${name} ${String(fields["number"])}`)).toEqual(
    Array<string>(THREADS).fill("app:job -1"),
  );
});

test("the streams of processors, without threads: nothing is paired, and the report says what to do", async () => {
  await using place = new Place();
  const directory = await record("no-threads", []);
  const { stdout, stderr, status } = await cli(place, ["report", directory]);
  expect([stderr, status]).toEqual(["", 0]);
  const begins = COUNT * 2 + Math.ceil(COUNT / 3);
  const paired = (2 * begins + 1) * THREADS;
  expect(stdout).toContain(
    `not paired: ${paired.toLocaleString("en-US")} begins and ends that do not tell their thread; record them with the context vtid`,
  );
  expect(stdout).not.toMatch(/^span /m);
  expect(stdout).toMatch(/^app:work_begin +1,000 /m);
});
