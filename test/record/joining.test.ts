/**
 * Joining a session that is open in the process: a second openSession, and Workers however
 * they are made.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { openSession, provider, type SessionOptions } from "../../src/index.ts";
import { readTrace } from "../support/babeltrace.ts";
import { onlyTrace, streamFiles } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { recordHere } from "../support/record-here.ts";
import { run, runJson } from "../support/run.ts";

setDefaultTimeout(120_000);

const point = provider("test").tracepoint("session_event", [["n", "u32"]]);
const PROGRAMS = join(import.meta.dirname, "programs");

test("a second openSession joins the first; only the first one's close ends it", async () => {
  const { events } = await recordHere(async (session, place) => {
    expect(session.joined).toBe(false);
    const joined = await openSession({ output: place.output, mode: "discard" });
    expect([joined.recording, joined.joined, joined.traceDir]).toEqual([true, true, session.traceDir ?? ""]);
    point(1);
    await joined.close();
    point(2);
    expect(point.enabled).toBe(true);
    await joined.flush();
    expect(joined.info()?.recordsWritten).toBe(2n);
  });
  expect(events.map(({ fields }) => fields["n"])).toEqual([1, 2]);
});

test("options that a joined session has otherwise are said in one line, and the others not", async () => {
  await using place = new Place();
  const { output, sessionDir } = place;
  const limits = { maxSize: 8 * (8192 + 256), whenFull: "stop", rotatePeriod: 60_000, maxChunks: 2 } as const;
  const first: SessionOptions = { output, sessionDir, subBufferSize: 8192, enable: ["test:*"], ...limits };
  const joins = async (options: SessionOptions): Promise<string> => {
    const program = `
      const { openSession } = await import(${JSON.stringify(join(import.meta.dirname, "../../src/index.ts"))});
      await openSession(${JSON.stringify(first)});
      await openSession(${JSON.stringify(options)});
      await openSession(${JSON.stringify(options)});`;
    const child = Bun.spawn([process.execPath, "-e", program], { cwd: place.dir, stderr: "pipe" });
    const stderr = await child.stderr.text();
    await place.recorded();
    return stderr;
  };
  const line = (...found: string[]): string =>
    `buntrace: openSession joins the session that is open in this process, with ${found.join(", ")}\n`;
  expect(await joins({})).toBe("");
  expect(await joins({ ...first, output: "trace", subBuffers: 8, flushPeriod: 1000, clock: "cycles" })).toBe(
    "",
  );
  expect(await joins({ subBufferSize: 4096 })).toBe(line("subBufferSize 8192 instead of 4096"));
  expect(
    await joins({
      output: "other",
      mode: "block",
      enable: [],
      subBuffers: 4,
      flushPeriod: 0.5e3,
      blockTimeout: 7,
      sessionDir: "elsewhere",
      maxSize: 2 ** 22,
      whenFull: "stop",
      rotateSize: 2 ** 20,
      rotatePeriod: 60_000,
      maxChunks: 3,
      snapshotOnError: "errors",
    }),
  ).toBe(
    line(
      `output "${output}" instead of "other"`,
      'mode "discard" instead of "block"',
      'enable ["test:*"] instead of []',
      "subBuffers 8 instead of 4",
      "flushPeriod 1000 instead of 500",
      "blockTimeout 1000 instead of 7",
      `sessionDir "${sessionDir}" instead of "elsewhere"`,
      `maxSize ${limits.maxSize} instead of 4194304`,
      "no rotateSize instead of 1048576",
      "maxChunks 2 instead of 3",
      'no snapshotOnError instead of "errors"',
    ),
  );
});

test("a thread that emits nothing leaves no stream; a Worker that joins has its own", async () => {
  await using place = new Place();
  const counts = await runJson(place, join(PROGRAMS, "workers.ts"), { args: ["3"] });
  const events = await readTrace(place.output);
  expect(counts).toEqual({ emitted: 4 * 100 });
  const threads = Map.groupBy(events, ({ tid }) => tid);
  expect(threads.size).toBe(4);
  expect(streamFiles(onlyTrace(place.output)).length).toBe(4);
  for (const list of threads.values()) {
    expect(new Set(list.map(({ fields }) => fields["worker"])).size).toBe(1);
    expect(list.map(({ fields }) => fields["n"])).toEqual(Array.from({ length: 100 }, (_, n) => n));
  }
});

test("a session that a Worker opens is the process's: it outlives the Worker", async () => {
  await using place = new Place();
  const { stdout, stderr } = await run(place, join(PROGRAMS, "worker-first.ts"), {
    args: [place.output],
    traced: false,
  });
  expect(stderr).toBe(
    `buntrace: openSession joins the session that is open in this process, with output "${place.output}" instead of "${place.output}-other"\n`,
  );
  const result = JSON.parse(stdout) as { pid: number };
  expect(result).toMatchObject({ recording: true });
  expect(readdirSync(place.dir)).toEqual(["trace"]);
  const events = await readTrace(place.output);
  expect(events.map(({ fields }) => fields["n"])).toEqual(Array.from({ length: 20 }, (_, n) => n));
  expect(events.map(({ tid }) => tid === result.pid)).toEqual(Array.from({ length: 20 }, (_, n) => n >= 10));
});

test("web Workers, however they are made, join the session that the program opened itself", async () => {
  await using place = new Place();
  const { stdout, stderr } = await run(place, join(PROGRAMS, "web-workers.ts"), {
    args: [place.output],
    traced: false,
  });
  expect({ stdout, stderr }).toEqual({
    stdout: "true false\ntrue false\ntrue false\ntrue true\n",
    stderr: "",
  });
  const events = await readTrace(place.output);
  expect(events.map(({ fields }) => fields["from"])).toEqual([
    ...Array.from({ length: 4 }, () => "a Worker"),
    "main",
  ]);
  expect(new Set(events.map(({ tid }) => tid)).size).toBe(5);
});
