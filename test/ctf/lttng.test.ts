/**
 * The reader on traces that LTTng-UST records here and now, with contexts, of every
 * field type of its tracepoints. Needs lttng-tools, liblttng-ust-dev and gcc.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";

import { openTraces } from "../../src/ctf/index.ts";
import { babeltrace } from "../support/babeltrace.ts";
import { Lttng } from "../support/lttng.ts";
import { ourText, theirText } from "./oracle.ts";

const lttng = new Lttng();
const sources = join(import.meta.dir, "programs/lttng");
let program = "";

beforeAll(async () => {
  await lttng.start();
  program = await lttng.compile(join(sources, "app.c"), "app");
});

afterAll(async () => {
  await lttng[Symbol.asyncDispose]();
});

test("with contexts, in several packets: the same text as babeltrace2's", async () => {
  const channel = ["--subbuf-size=16k", "--num-subbuf=64"];
  const contexts = ["vpid", "vtid", "procname", "pthread_id", "ip"];
  const directory = await lttng.record({ name: "contexts", channel, events: "app:*", contexts }, () =>
    lttng.run(program, "2000"),
  );
  const theirs = await theirText(directory);
  expect(theirs.stderr).toBe("");
  expect(ourText(directory)).toEqual({ text: theirs.text, problems: [] });

  const events = [...openTraces(directory).events()];
  expect(events).toHaveLength(2 * (2000 + 200 + 20));
  expect(new Set(events.map(({ name }) => name))).toEqual(new Set(["app:small", "app:all", "app:none"]));
  expect(new Set(events.map(({ streamContext }) => streamContext?.["vtid"])).size).toBe(2);
  expect(new Set(events.map(({ streamContext }) => streamContext?.["procname"]))).toEqual(new Set(["app"]));
  const all = events.find(({ name, fields }) => name === "app:all" && fields?.["tiny"] === 20);
  expect(all?.fields).toMatchObject({
    large: 2n ** 64n - 21n,
    network: 5120,
    text: "tab\tand \\",
    fixed: [1, 2, 65535],
    letters: "tab\t",
    numbers: [1, 2],
    part: "tab",
    state: "busy",
    wide: 20 / 7,
    narrow: Math.fround(20 / 7),
  });
});

test("two snapshots of overwritten buffers, with packets in common and packets lost", async () => {
  const output = join(lttng.dir, "snapshot");
  await lttng.run("lttng", "create", "snapshot", "--snapshot", `--output=${output}`);
  await lttng.run(
    "lttng",
    "enable-channel",
    "--userspace",
    "--overwrite",
    "--subbuf-size=4k",
    "--num-subbuf=8",
    "ch",
  );
  await lttng.run("lttng", "enable-event", "--userspace", "--channel=ch", "app:*");
  await lttng.run("lttng", "add-context", "--userspace", "--channel=ch", "--type=vtid");
  await lttng.run("lttng", "start");
  await lttng.run(program, "3000");
  await lttng.run("lttng", "snapshot", "record");
  await lttng.run(program, "50");
  await lttng.run("lttng", "snapshot", "record");
  await lttng.run("lttng", "destroy", "snapshot");
  const theirs = await theirText(output);
  expect(theirs.status).toBe(0);
  expect(theirs.text.length).toBeGreaterThan(0);
  expect(ourText(output)).toEqual({ text: theirs.text, problems: [] });
});

test("full buffers: as many discarded events as babeltrace2 reports", async () => {
  const channel = ["--subbuf-size=4k", "--num-subbuf=2", "--switch-timer=0"];
  const directory = await lttng.record({ name: "discarded", channel, events: "app:*" }, () =>
    lttng.run(program, "50000"),
  );
  const { stderr } = await babeltrace(["--color=never", directory]);
  const theirs = [...stderr.matchAll(/Tracer discarded (\d+) events?/g)].map(([, count]) =>
    BigInt(count ?? 0),
  );
  const set = openTraces(directory);
  const ours: (bigint | undefined)[] = [];
  for (const stream of set.streams) {
    for (const { losses } of set.batches(stream)) ours.push(...losses.map(({ count }) => count));
  }
  const sum = (counts: readonly (bigint | undefined)[]): bigint =>
    counts.reduce<bigint>((all, one) => all + (one ?? 0n), 0n);
  expect(sum(ours)).toBeGreaterThan(0n);
  // babeltrace2 does not count those before the end of a stream's first packet.
  const first = set.streams.map(({ firstPackets }) => firstPackets[0]?.discarded);
  expect(sum(ours) - sum(first)).toBe(sum(theirs));
  expect(ourText(directory).text).toBe((await theirText(directory)).text);
});
