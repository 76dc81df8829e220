/**
 * The reader on traces that LTTng-UST records here and now, with contexts, of every
 * field type of its tracepoints. Needs lttng-tools, liblttng-ust-dev and gcc.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openTraces } from "../../src/ctf/index.ts";
import { babeltrace } from "../support/babeltrace.ts";
import { ourText, theirText } from "./oracle.ts";

const root = mkdtempSync(join(tmpdir(), "buntrace-lttng-"));
const program = join(root, "app");
const sources = join(import.meta.dir, "programs/lttng");

/** LTTng's files of this test, apart from those of other sessions of the machine. */
const environment = {
  ...process.env,
  LTTNG_HOME: root,
  LTTNG_UST_HOME: root,
  LTTNG_RUNDIR: join(root, "run"),
  LTTNG_UST_REGISTER_TIMEOUT: "-1",
};
let daemon: Bun.Subprocess | undefined;

async function run(...command: string[]): Promise<string> {
  const child = Bun.spawn(command, { env: environment, cwd: sources, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, status] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}: ${stdout}${stderr}`);
  return stdout;
}

beforeAll(async () => {
  for (const tool of ["lttng", "lttng-sessiond", "gcc"]) {
    if (Bun.which(tool) === null)
      throw new Error(`${tool} is missing: apt-get install lttng-tools liblttng-ust-dev gcc`);
  }
  await run("gcc", "-O1", "-o", program, "-I", ".", "app.c", "-llttng-ust", "-ldl", "-lpthread");
  daemon = Bun.spawn(["lttng-sessiond", "--no-kernel"], {
    env: environment,
    stdout: "ignore",
    stderr: "ignore",
  });
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const ready = Bun.spawn(["lttng", "list"], { env: environment, stdout: "ignore", stderr: "ignore" });
    if ((await ready.exited) === 0) return;
    await Bun.sleep(50);
  }
  throw new Error("lttng-sessiond does not answer");
});

afterAll(async () => {
  daemon?.kill("SIGTERM");
  await daemon?.exited;
  rmSync(root, { recursive: true, force: true });
});

/** Records the program into a directory, with these options of the channel. */
async function record(
  name: string,
  count: number,
  channel: readonly string[],
  contexts: readonly string[],
): Promise<string> {
  const output = join(root, name);
  await run("lttng", "create", name, `--output=${output}`);
  await run("lttng", "enable-channel", "--userspace", ...channel, "ch");
  await run("lttng", "enable-event", "--userspace", "--channel=ch", "app:*");
  for (const context of contexts)
    await run("lttng", "add-context", "--userspace", "--channel=ch", `--type=${context}`);
  await run("lttng", "start");
  await run(program, String(count));
  await run("lttng", "stop");
  await run("lttng", "destroy", name);
  return output;
}

test("with contexts, in several packets: the same text as babeltrace2's", async () => {
  const channel = ["--subbuf-size=16k", "--num-subbuf=64"];
  const contexts = ["vpid", "vtid", "procname", "pthread_id", "ip"];
  const directory = await record("contexts", 2000, channel, contexts);
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
  const output = join(root, "snapshot");
  await run("lttng", "create", "snapshot", "--snapshot", `--output=${output}`);
  await run(
    "lttng",
    "enable-channel",
    "--userspace",
    "--overwrite",
    "--subbuf-size=4k",
    "--num-subbuf=8",
    "ch",
  );
  await run("lttng", "enable-event", "--userspace", "--channel=ch", "app:*");
  await run("lttng", "add-context", "--userspace", "--channel=ch", "--type=vtid");
  await run("lttng", "start");
  await run(program, "3000");
  await run("lttng", "snapshot", "record");
  await run(program, "50");
  await run("lttng", "snapshot", "record");
  await run("lttng", "destroy", "snapshot");
  const theirs = await theirText(output);
  expect(theirs.status).toBe(0);
  expect(theirs.text.length).toBeGreaterThan(0);
  expect(ourText(output)).toEqual({ text: theirs.text, problems: [] });
});

test("full buffers: as many discarded events as babeltrace2 reports", async () => {
  const directory = await record(
    "discarded",
    50_000,
    ["--subbuf-size=4k", "--num-subbuf=2", "--switch-timer=0"],
    [],
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
