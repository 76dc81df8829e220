/**
 * Where traces and session files go: a recording that is there moves to `.old`,
 * anything else is refused in one line, and nothing is lost or followed.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { SHARE_ENV, Worker } from "node:worker_threads";

import { openSession, provider, type SessionOptions } from "../../src/index.ts";
import { readTrace } from "../support/babeltrace.ts";
import { onlyTrace } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { consumersOf, isAlive, waitFor } from "../support/processes.ts";

setDefaultTimeout(120_000);

const point = provider("test").tracepoint("placed", [["n", "u32"]]);

/** Records one event. */
async function record(place: Place, n: number, options: SessionOptions = {}): Promise<void> {
  const session = await openSession({ output: place.output, sessionDir: place.sessionDir, ...options });
  point(n);
  await session.close();
}

/** The message with which opening a session is refused; nothing may come of it. */
async function refusal(place: Place, options: SessionOptions): Promise<string> {
  const before = existsSync(place.output) ? readdirSync(place.output) : undefined;
  const error = await record(place, 0, options).catch((reason: unknown) => reason);
  if (!(error instanceof Error)) throw new Error("it was not refused");
  expect(error.message).not.toContain("\n");
  expect(point.enabled).toBe(false);
  expect(existsSync(place.output) ? readdirSync(place.output) : undefined).toEqual(before);
  return error.message;
}

async function numbersIn(dir: string): Promise<unknown[]> {
  return (await readTrace(dir)).map(({ fields }) => fields["n"]);
}

test("a recording that is there moves to .old, over the one before; never is one mixed with another", async () => {
  await using place = new Place();
  for (let n = 1; n <= 3; n++) {
    await record(place, n);
    expect(await numbersIn(place.output)).toEqual([n]);
    if (n > 1) expect(await numbersIn(`${place.output}.old`)).toEqual([n - 1]);
  }
  expect(readdirSync(place.dir).sort()).toEqual(["trace", "trace.old"]);
});

test("an output that is missing is made, with its parents", async () => {
  await using place = new Place();
  const output = join(place.dir, "a/b/c");
  await record(place, 7, { output });
  expect(await numbersIn(output)).toEqual([7]);
});

test("what is in the output's way is refused and left alone", async () => {
  await using place = new Place();
  const foreign = `output ${place.output} exists and is no buntrace recording; name another with -o`;
  const file = join(place.output, "notes.txt");
  writeFileSync(file, "mine");
  expect(await refusal(place, {})).toBe(foreign);
  expect(readFileSync(file, "utf8")).toBe("mine");
  rmSync(file);

  const inner = join(place.output, "inner");
  mkdirSync(inner);
  writeFileSync(join(inner, "metadata"), "not CTF");
  expect(await refusal(place, {})).toBe(foreign);
  rmSync(inner, { recursive: true });

  const other = join(place.dir, "other");
  writeFileSync(other, "a file");
  expect(await refusal(place, { output: other })).toBe(
    `output ${other} exists and is no buntrace recording; name another with -o`,
  );
  expect(await refusal(place, { output: join(other, "below") })).toBe(
    `output ${join(other, "below")} cannot be made: ENOTDIR: not a directory; name another with -o`,
  );

  const link = join(place.dir, "link");
  symlinkSync(place.output, link);
  expect(await refusal(place, { output: link })).toBe(
    `output ${link} is a symbolic link; name the directory itself`,
  );
  expect(await refusal(place, { output: "/proc/nowhere" })).toMatch(
    /^output \/proc\/nowhere cannot be made: /,
  );
});

test("an .old that is no recording stops everything: it is not removed", async () => {
  await using place = new Place();
  await record(place, 1);
  const old = `${place.output}.old`;
  mkdirSync(old);
  writeFileSync(join(old, "keep"), "mine");
  expect(await refusal(place, {})).toBe(
    `output ${old} exists and is no buntrace recording; name another with -o`,
  );
  expect(readdirSync(old)).toEqual(["keep"]);
  expect(await numbersIn(place.output)).toEqual([1]);
});

test("what programs killed in their first moment leave is a recording too", async () => {
  await using place = new Place();
  for (const [program, file] of [["a-1"], ["b-2", ".metadata"], ["c-3", "metadata.new"]]) {
    mkdirSync(join(place.output, program ?? ""));
    if (file !== undefined) writeFileSync(join(place.output, program ?? "", file), "/* CT");
  }
  await record(place, 1);
  expect(await numbersIn(place.output)).toEqual([1]);
  expect(readdirSync(`${place.output}.old`).length).toBe(3);
});

test("a link in a stream file's place is not written through; without it the recording goes on", async () => {
  await using place = new Place();
  const session = await openSession({ output: place.output, sessionDir: place.sessionDir, flushPeriod: 5 });
  const victim = join(place.dir, "victim");
  const link = join(onlyTrace(place.output), `thread-${process.pid}-0`);
  writeFileSync(victim, "untouched");
  // What an attacker may plant once the trace directory is there.
  symlinkSync(victim, link);
  point(1);
  await waitFor("the consumer to try", () => session.info()?.writeErrno === constants.errno.EEXIST);
  expect(readFileSync(victim, "utf8")).toBe("untouched");
  rmSync(link);
  await session.close();
  expect(await numbersIn(place.output)).toEqual([1]);
  expect(readFileSync(victim, "utf8")).toBe("untouched");
});

test("a link in the place of a stream that a consumer has begun is not followed by the next one", async () => {
  await using place = new Place();
  const session = await openSession({ output: place.output, sessionDir: place.sessionDir });
  point(1);
  await session.flush();
  const stream = join(onlyTrace(place.output), `thread-${process.pid}-0`);
  const moved = join(place.dir, "moved");
  const [consumer = 0] = consumersOf(place.sessionDir);
  process.kill(consumer, "SIGKILL");
  await waitFor("its death", () => !isAlive(consumer));
  renameSync(stream, moved);
  symlinkSync(moved, stream);
  const before = readFileSync(moved);
  point(2);
  const flushed = session.flush();
  await waitFor("the next one to try", () => session.info()?.writeErrno === constants.errno.ELOOP);
  expect(readFileSync(moved)).toEqual(before);
  renameSync(moved, stream);
  await flushed;
  await session.close();
  expect(await numbersIn(place.output)).toEqual([1, 2]);
});

test("a stream file that cannot be made keeps no other thread's from being written", async () => {
  await using place = new Place();
  const session = await openSession({ output: place.output, sessionDir: place.sessionDir, flushPeriod: 5 });
  const trace = onlyTrace(place.output);
  const link = join(trace, `thread-${process.pid}-0`);
  symlinkSync(join(place.dir, "nowhere"), link);
  point(1);
  await waitFor("the consumer to try", () => session.info()?.writeErrno === constants.errno.EEXIST);
  const worker = new Worker(join(import.meta.dirname, "programs/placed.ts"), { env: SHARE_ENV });
  await waitFor("the other thread's event", () => session.info()?.recordsWritten === 1n);
  await worker.terminate();
  rmSync(link);
  await session.close();
  expect(await numbersIn(place.output)).toEqual([1, 2]);
});

test("session directory and file are the user's own, whatever the umask", async () => {
  await using place = new Place();
  const sessionDir = join(place.dir, "sessions");
  const before = process.umask(0o777);
  const session = await openSession({ output: "null", sessionDir }).finally(() => process.umask(before));
  const modes = [".", ...readdirSync(sessionDir)].map(
    (name) => statSync(join(sessionDir, name)).mode & 0o777,
  );
  expect(modes).toEqual([0o700, 0o600]);
  await session.close();
});

test("a session directory that others can open, own, or stand in for is refused", async () => {
  await using place = new Place();
  const dir = join(place.dir, "sessions");
  const options = { sessionDir: dir };
  for (const mode of [0o777, 0o750, 0o701]) {
    mkdirSync(dir);
    chmodSync(dir, mode);
    const shown = (mode & 0o777).toString(8);
    expect(await refusal(place, options)).toBe(
      `session directory ${dir} is open to others (mode ${shown}); run chmod 700 on it`,
    );
    rmSync(dir, { recursive: true });
  }
  // As /tmp: whoever followed the advice to change its mode would break the machine.
  mkdirSync(dir);
  chmodSync(dir, 0o1777);
  expect(await refusal(place, options)).toBe(
    `session directory ${dir} is one for all (mode 1777); name a directory below it`,
  );
  rmSync(dir, { recursive: true });

  const target = join(place.dir, "target");
  mkdirSync(target, { mode: 0o700 });
  symlinkSync(target, dir);
  expect(await refusal(place, options)).toBe(
    `session directory ${dir} is not a directory (a link is refused)`,
  );
  expect(readdirSync(target)).toEqual([]);
  rmSync(dir);

  writeFileSync(dir, "");
  expect(await refusal(place, options)).toBe(
    `session directory ${dir} is not a directory (a link is refused)`,
  );
  rmSync(dir);

  expect(await refusal(place, { sessionDir: join(place.dir, "no/where") })).toBe(
    `session directory ${join(place.dir, "no/where")} cannot be made: No such file or directory; name another with --session-dir`,
  );

  // Only root can give a directory away.
  if (process.getuid?.() === 0) {
    mkdirSync(dir, { mode: 0o700 });
    chownSync(dir, 12345, 12345);
    expect(await refusal(place, options)).toBe(
      `session directory ${dir} belongs to another user (uid 12345)`,
    );
  }
});
