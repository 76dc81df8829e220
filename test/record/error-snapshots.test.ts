/**
 * Snapshots at errors that nobody caught: by the option of `openSession` and of
 * `record`, in a program that survives the errors and overwrites its rings afterwards.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { SessionOptions } from "../../src/index.ts";
import { readReport, type TraceEvent } from "../support/babeltrace.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { type Ended, run } from "../support/run.ts";

setDefaultTimeout(120_000);

const PROGRAM = join(import.meta.dirname, "programs/survives-errors.ts");

/** More than the rings hold: nothing of before an error is left at the next one. */
const COUNT = 3000;
const SMALL = { subBufferSize: 4096, subBuffers: 4, mode: "overwrite" } as const;
const OVERWRITE = ["--mode", "overwrite", "--sub-buffer-size", "4K", "--sub-buffers", "4"];

/** What the program did; without the name of the snapshot. */
function seen({ stdout, status, signal }: Ended): Omit<Ended, "pid" | "stderr"> {
  return { stdout, status, signal };
}

/** Runs the program with a session of its own. */
function ownSession(place: Place, errors: number, options: SessionOptions): Promise<Ended> {
  const session = { output: place.output, sessionDir: place.sessionDir, ...SMALL, ...options };
  const env = { SNAPSHOTS: JSON.stringify(session) };
  return run(place, PROGRAM, { args: [String(errors), String(COUNT)], env, traced: false });
}

function untraced(place: Place, errors: number): Promise<Ended> {
  return run(place, PROGRAM, { args: [String(errors), String(COUNT)], traced: false });
}

/** The traces in a directory, in the order of their numbers. */
function snapshotsIn(dir: string): string[] {
  const number = (name: string): number => Number(/-(\d+)$/.exec(name)?.[1]);
  return readdirSync(dir)
    .sort((a, b) => number(a) - number(b))
    .map((name) => join(dir, name));
}

const isError = ({ name }: TraceEvent): boolean =>
  name === "process:uncaught_error" || name === "process:unhandled_rejection";

/** Fails unless a snapshot ends with its error and has the events right before it, and says how many are missing. */
async function expectSnapshot(dir: string, index: number): Promise<void> {
  const { events, discarded } = await readReport(dir);
  const error = events.at(-1)!;
  expect(error.name).toBe(index % 2 === 0 ? "process:uncaught_error" : "process:unhandled_rejection");
  expect(error.fields).toMatchObject({ name: "Error", message: `error ${index}` });
  expect(String(error.fields["stack"])).toMatch(/^at fail \(.*survives-errors\.ts:/);
  const ticks = events.filter(({ name }) => name === "test:tick").map(({ fields }) => Number(fields["n"]));
  // Before each error one round, and one in the handler of each error before.
  const last = (2 * index + 1) * COUNT - 1;
  expect(ticks).toEqual(Array.from({ length: ticks.length }, (_, i) => last - ticks.length + 1 + i));
  expect(ticks.length).toBeGreaterThan(500);
  expect(ticks.length).toBeLessThan(COUNT);
  // Of a session of its own: its ticks and errors are all there is.
  expect(events.length + discarded).toBeGreaterThanOrEqual(last + 1 + index + 1);
}

test("openSession: each error's snapshot, while the program goes on as untraced", async () => {
  await using place = new Place();
  const dir = join(place.dir, "errors");
  const traced = await ownSession(place, 3, { snapshotOnError: dir });
  expect(seen(traced)).toEqual(seen(await untraced(place, 3)));
  const snapshots = snapshotsIn(dir);
  expect(snapshots).toHaveLength(3);
  expect(traced.stderr).toBe(
    `buntrace: an uncaught error: snapshot -> ${snapshots[0]}; the first 10 of this process are kept\n`,
  );
  for (const [i, snapshot] of snapshots.entries()) await expectSnapshot(snapshot, i);
  // What this is for: the trace itself does not reach back to the errors.
  const { events: rest } = await readReport(place.output);
  expect(rest.filter(isError)).toEqual([]);
  expect(rest.at(-1)?.fields["n"]).toBe(6 * COUNT - 1);
});

test.each(["discard", "overwrite", "block"])("record --snapshot-on-error, mode %s", async (mode) => {
  await using place = new Place();
  // In discard mode rings so large that the consumer need not hurry to keep the error's event.
  const options = mode === "overwrite" ? OVERWRITE : ["--mode", mode];
  const traced = await cli(place, [
    "record",
    ...options,
    "--snapshot-on-error",
    "errors",
    PROGRAM,
    "2",
    String(COUNT),
  ]);
  expect(seen(traced)).toEqual(seen(await untraced(place, 2)));
  const snapshots = snapshotsIn(join(place.dir, "errors"));
  expect(snapshots).toHaveLength(2);
  expect(traced.stderr.match(/uncaught error: snapshot -> .*/g)).toHaveLength(1);
  for (const [i, snapshot] of snapshots.entries()) {
    if (mode === "overwrite") await expectSnapshot(snapshot, i);
    // What the consumer has taken is in the ring until it is written over.
    const { events } = await readReport(snapshot);
    expect(events.filter(isError).at(-1)?.fields["message"]).toBe(`error ${i}`);
  }
});

test("no more than ten a process", async () => {
  await using place = new Place();
  const dir = join(place.dir, "errors");
  const traced = await ownSession(place, 13, { snapshotOnError: dir });
  expect(seen(traced)).toEqual(seen(await untraced(place, 13)));
  const snapshots = snapshotsIn(dir);
  expect(snapshots).toHaveLength(10);
  await expectSnapshot(snapshots[0]!, 0);
  await expectSnapshot(snapshots[9]!, 9);
  expect(traced.stderr.split("\n")).toHaveLength(2);
});

describe("errors of Workers", () => {
  const program = join(import.meta.dirname, "programs/worker-errors.ts");
  const args = ["12", String(COUNT)];

  async function expectSnapshots(place: Place, traced: Ended): Promise<void> {
    expect(seen(traced)).toEqual(seen(await run(place, program, { args, traced: false })));
    const snapshots = snapshotsIn(join(place.dir, "errors"));
    expect(traced.stderr.match(/snapshot.*/g)).toEqual([
      `snapshot -> ${snapshots[0]}; the first 10 of this process are kept`,
    ]);
    expect(snapshots).toHaveLength(10);
    for (const [index, snapshot] of snapshots.entries()) {
      const { events } = await readReport(snapshot);
      const error = events.findLast(isError)!;
      expect(error.name).toBe(index % 2 === 0 ? "process:uncaught_error" : "process:unhandled_rejection");
      expect(error.fields["message"]).toBe(`error ${index}`);
      const own = events.filter(({ tid }) => tid === error.tid);
      expect(own.at(-1)).toBe(error);
      const ticks = own.filter(({ name }) => name === "test:tick").map(({ fields }) => Number(fields["n"]));
      const first = (index + 1) * COUNT - ticks.length;
      expect(ticks).toEqual(Array.from({ length: ticks.length }, (_, i) => first + i));
      expect(ticks.length).toBeWithin(500, COUNT);
    }
  }

  test("under record", async () => {
    await using place = new Place();
    const options = [...OVERWRITE, "--snapshot-on-error", "errors"];
    await expectSnapshots(place, await cli(place, ["record", ...options, program, ...args]));
  });

  test("with a session of the program's own", async () => {
    await using place = new Place();
    const session = { output: place.output, sessionDir: place.sessionDir, ...SMALL };
    const env = { SNAPSHOTS: JSON.stringify({ ...session, snapshotOnError: join(place.dir, "errors") }) };
    await expectSnapshots(place, await run(place, program, { args, env, traced: false }));
  });
});

test("followed programs: each its own, in the same directory", async () => {
  await using place = new Place();
  const parent = join(place.dir, "parent.ts");
  writeFileSync(
    parent,
    `for (let i = 0; i < 2; i++)
      await Bun.spawn([process.execPath, ${JSON.stringify(PROGRAM)}, "1", "${COUNT}"], { stdout: "ignore" }).exited;`,
  );
  await cli(place, ["record", ...OVERWRITE, "--snapshot-on-error", "errors", parent]);
  const snapshots = snapshotsIn(join(place.dir, "errors"));
  expect(snapshots).toHaveLength(2);
  for (const snapshot of snapshots) await expectSnapshot(snapshot, 0);
});

test("an error that ends the program, in overwrite mode: its event and those before it are in the trace", async () => {
  await using place = new Place();
  const program = join(place.dir, "dies.ts");
  writeFileSync(
    program,
    `import { provider } from ${JSON.stringify(join(import.meta.dirname, "../../src/index.ts"))};
    const tick = provider("test").tracepoint("tick", [["n", "u32"]]);
    setTimeout(() => {
      for (let n = 0; n < ${COUNT}; n++) tick(n);
      throw new Error("the end");
    }, 1);`,
  );
  const bare = await run(place, program, { traced: false });
  for (const more of [{}, { snapshotOnError: join(place.dir, "errors") }]) {
    if ("snapshotOnError" in more) mkdirSync(more.snapshotOnError);
    const traced = await run(place, program, { session: { ...SMALL, enable: [], ...more } });
    expect(seen(traced)).toEqual(seen(bare));
    expect(traced.stderr.replace(/^buntrace: .*\n/m, "")).toBe(bare.stderr);
    const snapshots = "snapshotOnError" in more ? snapshotsIn(more.snapshotOnError) : [];
    for (const dir of [place.output, ...snapshots]) {
      const { events } = await readReport(dir);
      const at = events.findIndex(isError);
      expect(events[at]?.fields["message"]).toBe("the end");
      const ticks = events.slice(0, at).map(({ fields }) => fields["n"]);
      expect(ticks).toEqual(Array.from({ length: ticks.length }, (_, i) => COUNT - ticks.length + i));
      expect(ticks.length).toBeGreaterThan(500);
    }
    rmSync(place.output, { recursive: true });
    mkdirSync(place.output);
  }
});

test("a snapshot that cannot be written is said once, and changes nothing", async () => {
  await using place = new Place();
  const dir = join(place.dir, "errors");
  const program = join(place.dir, "removes.ts");
  writeFileSync(
    program,
    `process.on("uncaughtException", (error) => console.log(error.message));
    require("node:fs").rmdirSync(${JSON.stringify(dir)});
    setTimeout(() => { throw new Error("one"); }, 1);
    setTimeout(() => { throw new Error("two"); }, 20);`,
  );
  mkdirSync(dir);
  const ended = await run(place, program, { session: { snapshotOnError: dir } });
  expect(seen(ended)).toEqual({ stdout: "one\ntwo\n", status: 0, signal: null });
  expect(ended.stderr).toMatch(/^buntrace: no snapshot of an uncaught error: ENOENT.*\n$/);
  expect(existsSync(dir)).toBe(false);
});

test("a snapshot that fails half-way leaves nothing", async () => {
  await using place = new Place();
  const dir = join(place.dir, "errors");
  const program = join(place.dir, "no-session.ts");
  // Its directory is made before the session file is opened.
  writeFileSync(
    program,
    `const { readdirSync, rmSync } = require("node:fs");
    process.on("uncaughtException", (error) => console.log(error.message, readdirSync(${JSON.stringify(dir)})));
    for (const name of readdirSync(${JSON.stringify(place.sessionDir)})) rmSync(${JSON.stringify(place.sessionDir)} + "/" + name);
    setTimeout(() => { throw new Error("one"); }, 1);
    setTimeout(() => { throw new Error("two"); }, 20);`,
  );
  mkdirSync(dir);
  const ended = await run(place, program, { session: { snapshotOnError: dir } });
  expect(seen(ended)).toEqual({ stdout: "one []\ntwo []\n", status: 0, signal: null });
  expect(ended.stderr).toMatch(/^buntrace: no snapshot of an uncaught error: .*No such file or directory\n$/);
  expect(readdirSync(dir)).toEqual([]);
});

test("where no snapshot can go is said before the program starts", async () => {
  await using place = new Place();
  const record = (...args: string[]): Promise<Ended> => cli(place, ["record", ...args, PROGRAM, "1", "1"]);
  for (const [args, text, wrong = 125] of [
    [["--snapshot-on-error", ""], "--snapshot-on-error is empty; name a directory", 2],
    [["-o", "null", "--snapshot-on-error", "a"], "--snapshot-on-error needs an output", 2],
    [["-o", "a", "--snapshot-on-error", "a"], "must not be one in the other"],
    [["-o", "a", "--snapshot-on-error", "a/b"], "must not be one in the other"],
    [["-o", "a/b", "--snapshot-on-error", "a"], "must not be one in the other"],
    [["--snapshot-on-error", "."], "must not be one in the other"],
    [["-o", "fine", "--snapshot-on-error", "foreign"], "exists and is no buntrace recording"],
  ] as const) {
    mkdirSync(join(place.dir, "foreign"), { recursive: true });
    writeFileSync(join(place.dir, "foreign/file"), "");
    const { stderr, stdout, status } = await record(...args);
    expect({ stdout, status, stderr }).toEqual({
      stdout: "",
      status: wrong,
      stderr: expect.stringContaining(text),
    });
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  }
});
