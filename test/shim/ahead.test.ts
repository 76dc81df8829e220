/**
 * Room that the consumer allocates ahead of a stream's end: given back to another stream
 * that needs it, and when a chunk of the trace is done with. takeover.test.ts has the
 * rest: a stream's end, and a consumer that is killed. With the consumer of
 * mortal-consumer.c, which allocates ahead of files of a few packets.
 */
import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { blockBytes, bytesAhead, streamPaths } from "../support/blocks.ts";
import { buildProgram } from "../support/c-compiler.ts";
import { canMount, withTmpfs } from "../support/mounts.ts";
import { streamFiles } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { consumersOf } from "../support/processes.ts";
import { start } from "../support/run.ts";
import {
  abandonedSession,
  binariesWith,
  changedCopy,
  redirect,
  runConsumer,
} from "../support/session-files.ts";

setDefaultTimeout(60_000);

const PROGRAM = join(import.meta.dirname, "programs/two-threads.ts");
const GEOMETRY = { subBufferSize: 4096, subBuffers: 12 } as const;

const dir = mkdtempSync(join(tmpdir(), "buntrace-ahead-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
const consumer = join(dir, "consumer");

beforeAll(() => buildProgram(consumer, [join(import.meta.dirname, "mortal-consumer.c")], "none"));

test("a disk with just the room that a trace needs: what a stream has ahead is for the next one", async () => {
  if (!canMount()) return;
  await using place = new Place();
  const good = await abandonedSession(place, PROGRAM, [], GEOMETRY);
  const plain = join(place.dir, "plain");
  const disk = join(place.dir, "disk");
  const kept = join(place.dir, "kept");
  const written = changedCopy(good, "plain.session", (bytes) => redirect(bytes, join(plain, "trace")));
  expect(await runConsumer(written, consumer)).toMatchObject({ status: 0 });
  const sizes = streamPaths(plain).map((path) => statSync(path).size);
  expect(sizes.length).toBe(2);
  const needed = sizes.reduce((sum, size) => sum + blockBytes(size), 0);
  const session = changedCopy(good, "disk.session", (bytes) => redirect(bytes, join(disk, "trace")));
  mkdirSync(kept);
  // By a variable: as long as a command names the sessions, the disk is waited with.
  const running = Bun.spawn(
    [
      ...withTmpfs(place, join(disk, "trace"), String(needed), kept),
      "sh",
      "-c",
      'exec "$CONSUMER" "$SESSION"',
    ],
    { env: { ...process.env, CONSUMER: consumer, SESSION: session }, stdout: "ignore", stderr: "pipe" },
  );
  expect([await running.stderr.text(), await running.exited]).toEqual(["", 0]);
  expect(streamFiles(kept).map((name) => statSync(join(kept, name)).size)).toEqual(sizes);
});

test("a chunk that is done with: nothing ahead of the stream of a thread that is quiet, and its file is closed", async () => {
  await using place = new Place();
  const program = start(place, PROGRAM, {
    args: ["stay"],
    session: { ...GEOMETRY, rotateSize: 20_000, flushPeriod: 60_000 },
    env: { BUNTRACE_BINARIES: binariesWith(place, { path: consumer }) },
  });
  await program.stdout.getReader().read();
  const chunks = readdirSync(place.output).sort();
  expect(chunks.length).toBeGreaterThan(1);
  const [pid] = consumersOf(place.sessionDir);
  const open = readdirSync(`/proc/${pid}/fd`)
    .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
    .filter((path) => path.includes("/thread-"));
  expect(open.map((path) => path.includes(chunks.at(-1)!))).toEqual([true]);
  program.kill("SIGKILL");
  await place.recorded();
  expect(bytesAhead(place.output)).toBe(0);
});
