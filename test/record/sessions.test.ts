/**
 * Sessions: their options, what is enabled, opening, closing and opening again,
 * and what the trace holds at every moment in between.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { flush, nameThread, openSession, provider, type SessionOptions } from "../../src/index.ts";
import { readTrace } from "../support/babeltrace.ts";
import { onlyTrace, streamFiles } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { consumersOf, waitFor } from "../support/processes.ts";
import { recordHere } from "../support/record-here.ts";
import { runJson } from "../support/run.ts";

setDefaultTimeout(120_000);

const here = provider("test");
const point = here.tracepoint("session_event", [["n", "u32"]]);
const PROGRAMS = join(import.meta.dirname, "programs");

const REFUSED: readonly (readonly [options: object, message: string])[] = [
  [{ subBufferSize: 1000 }, "subBufferSize 1000 is not a whole number from 4096 to 536870912"],
  [{ subBufferSize: 5000 }, "subBufferSize 5000 is not a multiple of 4096 bytes"],
  [{ subBufferSize: "8192" }, "subBufferSize takes a number, not a string"],
  [{ subBuffers: 1 }, "subBuffers 1 is not a whole number from 2 to 64"],
  [{ subBuffers: 2.5 }, "subBuffers 2.5 is not a whole number from 2 to 64"],
  [{ subBuffers: 65 }, "subBuffers 65 is not a whole number from 2 to 64"],
  [
    { subBuffers: 64, subBufferSize: 2 ** 25 },
    "subBufferSize 33554432 x subBuffers 64 is more than a ring's 1073741824 bytes",
  ],
  [{ flushPeriod: 0 }, "flushPeriod 0 is not a whole number from 1 to 86400000"],
  [{ flushPeriod: NaN }, "flushPeriod NaN is not a whole number from 1 to 86400000"],
  [{ blockTimeout: -1 }, "blockTimeout -1 is not a whole number from 0 to 86400000"],
  [{ mode: "drop" }, 'mode "drop": use one of discard, overwrite, block'],
  [{ clock: "sun" }, 'clock "sun": use one of cycles, monotonic'],
  [
    { outptu: 1 },
    'there is no option "outptu": use output, mode, enable, subBufferSize, subBuffers, flushPeriod, blockTimeout, ' +
      "clock, sessionDir, maxSize, whenFull, rotateSize, rotatePeriod, maxChunks, snapshotOnError",
  ],
  [{ output: 5 }, "output takes a string, not a number"],
  [{ sessionDir: null }, "sessionDir takes a string, not null"],
  [{ mode: Symbol("x") }, "mode takes a string, not a symbol"],
  [{ enable: "http:*" }, "enable takes an array of globs, not a string"],
  [{ enable: null }, "enable takes an array of globs, not null"],
  [{ enable: [1] }, 'enable takes an array of globs, as ["http:*"]'],
  [{ output: "" }, "output is empty; name a directory"],
  [
    { enable: ["a b"] },
    'bad glob "a b": use event names such as "http:request_*", with * and ? as wildcards',
  ],
  [{ enable: [""] }, 'bad glob "": use event names such as "http:request_*", with * and ? as wildcards'],
  [
    { enable: ["*@loud"] },
    'bad level in "*@loud": use one of emergency, alert, critical, error, warning, notice, info, debug',
  ],
  [
    { enable: Array.from({ length: 200 }, () => "abcdef") },
    "the globs to enable take more than 1023 bytes; use wildcards",
  ],
];
test.each(REFUSED.map(([options, message]) => [message, options] as const))(
  "refused: %s",
  async (message, options) => {
    await using place = new Place();
    const error = await openSession({ output: place.output, sessionDir: place.sessionDir, ...options }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(Error);
    expect(error instanceof Error && error.message).toBe(message);
    expect([readdirSync(place.output), place.sessions()]).toEqual([[], []]);
  },
);

test("globs and levels choose what starts enabled", async () => {
  const web = provider("web");
  const points = [
    web.tracepoint("request", [], { level: "info" }),
    web.tracepoint("request_body", [], { level: "debug" }),
    web.tracepoint("failure", [], { level: "error" }),
    provider("db").tracepoint("query", [], { level: "debug" }),
    provider("db").tracepoint("failure", [], { level: "critical" }),
    provider("db.x").tracepoint("q"),
  ];
  const chosen = async (enable: readonly string[]): Promise<string[]> => {
    const { events, result } = await recordHere(
      () => {
        points.forEach((emit) => emit());
        return points.filter(({ enabled }) => enabled).map(({ name }) => name);
      },
      { enable },
    );
    expect(events.map(({ name }) => name)).toEqual(result);
    return result;
  };
  const all = points.map(({ name }) => name);
  expect(await chosen([])).toEqual(all);
  expect(await chosen(["*"])).toEqual(all);
  expect(await chosen(["web:*"])).toEqual(["web:request", "web:request_body", "web:failure"]);
  expect(await chosen(["web:request"])).toEqual(["web:request"]);
  expect(await chosen(["*:failure", "db:q*"])).toEqual(["web:failure", "db:query", "db:failure"]);
  expect(await chosen(["*@error"])).toEqual(["web:failure", "db:failure"]);
  expect(await chosen(["web:*@info", "*@critical"])).toEqual(["web:request", "web:failure", "db:failure"]);
  expect(await chosen(["d?:query", "db.x:*"])).toEqual(["db:query", "db.x:q"]);
  expect(await chosen(["dbbx:*"])).toEqual([]);
});

test("events have their levels' numbers", async () => {
  const levels = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"] as const;
  const points = levels.map((level) => here.tracepoint(`level_${level}`, [], { level }));
  const { events } = await recordHere(() => points.forEach((emit) => emit()));
  expect(events.map(({ level }) => level)).toEqual([0, 1, 2, 3, 4, 5, 6, 14]);
});

test("close and open again: one trace after another, nothing in between", async () => {
  for (let round = 0; round < 5; round++) {
    point(99);
    const { events } = await recordHere(() => {
      point(round);
      point(round + 1);
    });
    expect(events.map(({ fields }) => fields["n"])).toEqual([round, round + 1]);
  }
});

test("a session closed at once is complete, and closing it again does nothing", async () => {
  for (let round = 0; round < 20; round++) {
    await using place = new Place();
    const session = await openSession({
      output: place.output,
      sessionDir: place.sessionDir,
      enable: ["test:*"],
    });
    if (round % 2 === 1) point(round);
    await session.close();
    await session.close();
    expect(place.sessions()).toEqual([]);
    const events = await readTrace(place.output);
    expect(events.map(({ fields }) => fields["n"])).toEqual(round % 2 === 1 ? [round] : []);
    // No stream file for a thread that emitted nothing.
    expect(streamFiles(onlyTrace(place.output)).length).toBe(round % 2);
  }
});

test("a trace is named by its program, hidden or with a long name, too", async () => {
  await using place = new Place();
  const program = join(place.dir, `.${"x".repeat(200)}.ts`);
  writeFileSync(program, "console.log(process.pid);");
  const pid = await runJson(place, program);
  expect(readdirSync(place.output)).toEqual([`_${"x".repeat(63)}-${String(pid)}`]);
});

test("the main thread is called main until the program names it", async () => {
  const { events } = await recordHere(async () => {
    point(0);
    await flush();
    nameThread("mine");
    point(1);
  });
  expect(events.map(({ threadName }) => threadName)).toEqual(["main", "mine"]);
});

test("`await using` closes the session", async () => {
  await using place = new Place();
  {
    await using session = await openSession({ output: place.output, sessionDir: place.sessionDir });
    expect(session.recording).toBe(true);
    point(1);
  }
  expect(place.sessions()).toEqual([]);
  expect((await readTrace(place.output)).map(({ fields }) => fields["n"])).toEqual([1]);
});

test("flush: all that was emitted before is in the file; without a session it returns at once", async () => {
  await flush();
  await recordHere(
    async (session, place) => {
      for (let n = 0; n < 10; n++) {
        point(n);
        await (n % 2 === 0 ? flush() : session.flush());
        const events = await readTrace(place.output);
        expect(events.map(({ fields }) => fields["n"])).toEqual(Array.from({ length: n + 1 }, (_, i) => i));
      }
    },
    { flushPeriod: 60_000 },
  );
});

test("flush in overwrite mode, where nothing is written before the end, returns", async () => {
  const { events } = await recordHere(
    async (session) => {
      point(1);
      await session.flush();
    },
    { mode: "overwrite", flushPeriod: 60_000 },
  );
  expect(events.length).toBe(1);
});

test("the metadata describes an event type before the first of its events can be written", async () => {
  await recordHere(async (session, place) => {
    const metadata = (): string => readFileSync(join(session.traceDir ?? "", "metadata"), "utf8");
    for (let n = 0; n < 20; n++) {
      const name = `described_${n}`;
      const made = here.tracepoint(name, [["n", "u32"]]);
      expect(metadata()).toContain(`name = "test:${name}"`);
      made(n);
      // At every instant the trace can be read.
      if (n % 5 === 0) await readTrace(place.output);
    }
  });
});

test("the first trace is readable before anything was written", async () => {
  await recordHere(async (_, place) => {
    expect(await readTrace(place.output)).toEqual([]);
  });
});

test("info tells what was recorded", async () => {
  const { result } = await recordHere(async (session) => {
    for (let n = 0; n < 100; n++) point(n);
    await session.flush();
    const info = session.info();
    const size = statSync(join(session.traceDir ?? "", `thread-${process.pid}-0`)).size;
    return { info, size };
  });
  expect(result.info).toMatchObject({
    pid: process.pid,
    mode: "discard",
    enable: ["test:*", "buntrace:*"],
    finished: false,
    recordsWritten: 100n,
    discardedTold: 0n,
    bytesWritten: BigInt(result.size),
    alteredValues: 0,
    writeErrno: 0,
  });
});

test("output null: consumed and counted, nothing written", async () => {
  await using place = new Place();
  const options: SessionOptions = { output: "null", sessionDir: place.sessionDir, enable: ["test:*"] };
  const session = await openSession(options);
  expect([session.recording, session.traceDir]).toEqual([true, undefined]);
  for (let n = 0; n < 1000; n++) point(n);
  await session.flush();
  expect(session.info()?.recordsWritten).toBe(1000n);
  await session.close();
  expect(readdirSync(place.output)).toEqual([]);
  expect(readdirSync(".")).not.toContain("null");
});

test("a consumer that is killed is replaced, and nothing is lost or written twice", async () => {
  const { events } = await recordHere(
    async (session, place) => {
      let n = 0;
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 500; i++) point(n++);
        await flush();
        for (let i = 0; i < 500; i++) point(n++);
        const [consumer] = await waitFor("a consumer", () => {
          const found = consumersOf(place.sessionDir);
          return found.length > 0 && found;
        });
        process.kill(consumer ?? 0, "SIGKILL");
        await waitFor("its death", () => !consumersOf(place.sessionDir).includes(consumer ?? 0));
      }
      for (let i = 0; i < 500; i++) point(n++);
      await session.flush();
    },
    { flushPeriod: 60_000 },
  );
  expect(events.map(({ fields }) => fields["n"])).toEqual(Array.from({ length: 3500 }, (_, i) => i));
});

test("a snapshot's metadata ends with a whole declaration, though one is being written", async () => {
  await recordHere(async (session, place) => {
    point(5);
    const metadata = join(session.traceDir ?? "", "metadata");
    const { size } = statSync(metadata);
    appendFileSync(metadata, '\nevent {\n\tname = "test:half";\n\tid = 7');
    const output = join(place.dir, "snapshot");
    const { traceDir } = session.snapshot(output) ?? {};
    truncateSync(metadata, size);
    // But for how far each of them goes, and how well the clock is known by then.
    const text = (dir = ""): string =>
      readFileSync(join(dir, "metadata"), "utf8").replace(
        /\b(complete_until|freq|offset) = [ 0-9]{20};/g,
        "$1",
      );
    expect(text(traceDir)).toBe(text(session.traceDir));
    expect((await readTrace(output)).map(({ fields }) => fields["n"])).toEqual([5]);
  });
});

test("what a killed consumer has left of a packet is cut off, however long", async () => {
  const { events } = await recordHere(
    async (session, place) => {
      for (let n = 0; n < 100; n++) point(n);
      await session.flush();
      const [consumer = 0] = consumersOf(place.sessionDir);
      process.kill(consumer, "SIGKILL");
      await waitFor("its death", () => !consumersOf(place.sessionDir).includes(consumer));
      const [stream = ""] = streamFiles(session.traceDir ?? "");
      appendFileSync(join(session.traceDir ?? "", stream), Buffer.alloc(10_000, 0xc1));
      for (let n = 100; n < 110; n++) point(n);
      await session.flush();
    },
    { flushPeriod: 60_000 },
  );
  expect(events.map(({ fields }) => fields["n"])).toEqual(Array.from({ length: 110 }, (_, n) => n));
});

test("the sums of a consumer that takes over have the threads in them that have ended", async () => {
  await using place = new Place();
  const counts = await runJson(place, join(PROGRAMS, "one-after-another.ts"), { args: [place.sessionDir] });
  expect((await readTrace(place.output)).length).toBe(300);
  expect(counts).toMatchObject({ recordsWritten: 300, streams: 3, rings: 1 });
});

test.each(["missing", "other"])(
  "Bun's undocumented FFI object is %s: the module bun:ffi serves",
  async (INNER_FFI) => {
    await using place = new Place();
    const bunArgs = [`--preload=${join(PROGRAMS, "no-inner-ffi.ts")}`];
    const { emitted } = (await runJson(place, join(PROGRAMS, "workers.ts"), {
      args: ["1"],
      bunArgs,
      env: { INNER_FFI },
    })) as { emitted: number };
    expect((await readTrace(place.output)).length).toBe(emitted);
  },
);
