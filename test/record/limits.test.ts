/**
 * Limits of a trace: chunks by size and by time, how many of them are kept, the size
 * of a stream. Every chunk is a trace that babeltrace2 reads alone, all of them are one
 * trace, and what is not in it is counted to the last event. (Consumers killed in the
 * middle of it: test/shim/takeover.test.ts; full disks: test/faults.)
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import {
  lstatSync,
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

import { openTraces } from "../../src/ctf/index.ts";
import { openSession, provider, type Session, type SessionOptions } from "../../src/index.ts";
import type { SessionInfo } from "../../src/record/session-file.ts";
import { readIncomplete, readReport, readTrace, type TraceEvent } from "../support/babeltrace.ts";
import { cli } from "../support/cli.ts";
import { PACKET_HEADER_BYTES, readPackets, streamFiles } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { waitFor } from "../support/processes.ts";
import { runJson } from "../support/run.ts";

setDefaultTimeout(120_000);

const point = provider("test").tracepoint("limited", [
  ["n", "u32"],
  ["text", "string"],
]);

/** Nothing is lost but by the limits. */
const PATIENT = { subBufferSize: 4096, subBuffers: 4, mode: "block", blockTimeout: 60_000 } as const;

/** Records what `work` emits, flushes and closes. */
async function record(
  place: Place,
  options: SessionOptions,
  work: (session: Session) => void | Promise<void>,
): Promise<SessionInfo> {
  const { output, sessionDir } = place;
  const session = await openSession({ output, sessionDir, enable: ["test:*"], ...PATIENT, ...options });
  let info: SessionInfo | undefined;
  try {
    await work(session);
    await session.flush();
    info = session.info();
  } finally {
    await session.close();
  }
  if (!info) throw new Error("no session");
  return info;
}

function emit(from: number, to: number): void {
  for (let n = from; n < to; n++) point(n, "x".repeat(n % 40));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function numbers(events: readonly TraceEvent[]): number[] {
  return events.map(({ fields }) => Number(fields["n"]));
}

/** Directories of an output, in the order of their chunks. */
function chunksOf(output: string): string[] {
  const numberOf = (name: string): number => Number(/\.(\d+)$/.exec(name)?.[1] ?? 0);
  return readdirSync(output)
    .sort((a, b) => numberOf(a) - numberOf(b))
    .map((name) => join(output, name));
}

/** Bytes of the stream files in a directory, which may be dropped meanwhile. */
function bytesIn(dir: string): number {
  return streamFiles(dir).reduce(
    (sum, name) => sum + (statSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

/** Numbers of the events as our own reader has them, and the packets that it misses. */
function readHere(output: string): { numbers: number[]; traces: number; lostPackets: number } {
  const set = openTraces(output);
  let lostPackets = 0;
  for (const stream of set.streams)
    for (const { losses } of set.batches(stream))
      for (const { kind, count } of losses) if (kind === "packets") lostPackets += Number(count);
  const found = [...set.events()].map(({ fields }) => Number(fields?.["n"]));
  expect(set.problems).toEqual([]);
  set.close();
  return { numbers: found, traces: set.traces.length, lostPackets };
}

const REFUSALS: readonly [SessionOptions, string][] = [
  [
    { maxSize: 100_000 },
    "maxSize 100000 is not a whole number of at least 2099200 (8 sub-buffers: see subBufferSize)",
  ],
  [{ whenFull: "stop" }, "whenFull needs maxSize"],
  [{ maxSize: 1e8, whenFull: "explode" as "stop" }, 'whenFull "explode": use one of drop-oldest, stop'],
  [{ rotateSize: 100 }, "rotateSize 100 is not a whole number of at least 4096"],
  [{ rotatePeriod: 0.5 }, "rotatePeriod 0.5 is not a whole number from 1 to 86400000"],
  [{ maxChunks: 3 }, "maxChunks needs rotateSize or rotatePeriod"],
  [{ rotateSize: 1e6, maxChunks: 257 }, "maxChunks 257 is not a whole number from 1 to 256"],
  [
    { rotateSize: 1e6, maxSize: 1e8 },
    "with rotation the oldest chunks go: use maxChunks, or maxSize with whenFull stop",
  ],
  [
    { rotateSize: 1e6, mode: "overwrite" },
    "rotation needs mode discard or block: in mode overwrite nothing is written before the end",
  ],
  [
    { maxSize: 1e8, mode: "overwrite" },
    "maxSize needs mode discard or block: in mode overwrite nothing is written before the end",
  ],
];

test.each(REFUSALS)("refused: %j", async (options, message) => {
  await using place = new Place();
  const { output, sessionDir } = place;
  const error = await openSession({ output, sessionDir, ...options }).catch((reason: unknown) => reason);
  expect(error instanceof Error ? error.message : error).toBe(message);
});

test("chunks by size: each is a trace of its own, all of them are one", async () => {
  await using place = new Place();
  const rotateSize = 30_000;
  const info = await record(place, { rotateSize }, () => {
    emit(0, 4000);
    // Declared when some chunks are done with.
    provider("test").tracepoint("late", [["n", "u32"]])(4000);
    emit(4001, 6000);
  });
  expect(info).toMatchObject({ recordsWritten: 6000n, dropped: 0n, discardedTold: 0n });
  const chunks = chunksOf(place.output);
  expect(chunks.length).toBe(info.chunk + 1);
  expect(chunks.length).toBeGreaterThan(5);
  const alone: number[] = [];
  for (const chunk of chunks) {
    expect(bytesIn(chunk)).toBeLessThanOrEqual(rotateSize);
    alone.push(...numbers(await readTrace(chunk)));
  }
  expect(alone).toEqual(range(0, 6000));
  expect(numbers(await readTrace(place.output))).toEqual(range(0, 6000));
  expect(readHere(place.output)).toEqual({ numbers: range(0, 6000), traces: 1, lostPackets: 0 });
  const packets = chunks.flatMap((chunk) =>
    streamFiles(chunk).flatMap((name) => readPackets(join(chunk, name))),
  );
  expect(packets.map(({ sequence }) => sequence)).toEqual([...packets.keys()]);
});

test("chunks by time: none while nothing is recorded", async () => {
  await using place = new Place();
  const info = await record(place, { rotatePeriod: 10, flushPeriod: 60_000 }, async (session) => {
    for (let chunk = 1; chunk <= 3; chunk++) {
      emit(chunk * 10, chunk * 10 + 10);
      await waitFor("another chunk", () => session.info()?.chunk === chunk);
    }
    await Bun.sleep(50);
  });
  expect(info.chunk).toBe(3);
  const chunks = chunksOf(place.output);
  expect(chunks.length).toBe(3);
  for (const [i, chunk] of chunks.entries())
    expect(numbers(await readTrace(chunk))).toEqual(range(i * 10 + 10, i * 10 + 20));
});

test("the newest chunks are kept: readers see that packets are missing, the rest is counted", async () => {
  await using place = new Place();
  let most = 0;
  const info = await record(place, { rotateSize: 20_000, maxChunks: 3 }, async (session) => {
    for (let n = 0; n < 20_000; n += 500) {
      emit(n, n + 500);
      await session.flush();
      most = Math.max(
        most,
        chunksOf(place.output).filter((chunk) => bytesIn(chunk) > PACKET_HEADER_BYTES).length,
      );
    }
  });
  expect(most).toBe(3);
  const kept = Number(info.recordsWritten);
  expect([info.dropped, info.discardedTold]).toEqual([20_000n - BigInt(kept), 0n]);
  const chunks = chunksOf(place.output);
  // The trace directory has the metadata that declarations are appended to.
  expect(chunks.length).toBe(4);
  for (const chunk of chunks.slice(1)) expect((await readTrace(chunk)).length).toBeGreaterThan(0);
  const { events, lostPackets } = await readIncomplete(place.output);
  expect(numbers(events)).toEqual(range(20_000 - kept, 20_000));
  expect(lostPackets).toBeGreaterThan(0);
  expect(readHere(place.output)).toEqual({ numbers: numbers(events), traces: 1, lostPackets });
});

test("what somebody keeps in a chunk is not removed with it", async () => {
  await using place = new Place();
  const names = ["notes.txt", "metadata.bak", "thread"];
  let kept = "";
  const info = await record(place, { rotateSize: 20_000, maxChunks: 2 }, async (session) => {
    for (let n = 0; n < 10_000; n += 500) {
      emit(n, n + 500);
      await session.flush();
      if (kept !== "" || (session.info()?.chunk ?? 0) < 2) continue;
      kept = `${session.traceDir}.2`;
      for (const name of names) writeFileSync(join(kept, name), name);
    }
  });
  expect(readdirSync(kept).sort()).toEqual(names.toSorted());
  for (const name of names) expect(readFileSync(join(kept, name), "utf8")).toBe(name);
  expect(info.writeErrno).toBe(0);
  // It alone is left of the chunks that went: the trace directory, it, two that are kept.
  expect(chunksOf(place.output).length).toBe(4);
});

test("a link in a chunk's place is neither written through nor emptied", async () => {
  await using place = new Place();
  const victim = join(place.dir, "victim");
  mkdirSync(victim);
  writeFileSync(join(victim, "thread-1-0"), "mine");
  const info = await record(place, { rotateSize: 20_000, maxChunks: 2, flushPeriod: 5 }, async (session) => {
    const chunk = (number: number): string => `${session.traceDir}.${number}`;
    const emitTo = async (number: number): Promise<void> => {
      for (let n = 0; (session.info()?.chunk ?? 0) < number; n += 100) {
        emit(n, n + 100);
        await session.flush();
      }
    };
    await emitTo(3);
    // Moved away, and a link left for who looks for it.
    renameSync(chunk(3), `${victim}.moved`);
    symlinkSync(victim, chunk(3));
    await emitTo(5);
    symlinkSync(victim, chunk(6));
    await waitFor("the consumer to try", () => {
      if (session.info()?.writeErrno === constants.errno.ENOTDIR) return true;
      emit(0, 50);
      return false;
    });
    rmSync(chunk(6));
    await emitTo(7);
    expect(lstatSync(chunk(3)).isSymbolicLink()).toBe(true);
  });
  expect(info.writeErrno).toBe(0);
  expect(readdirSync(victim)).toEqual(["thread-1-0"]);
  expect(readFileSync(join(victim, "thread-1-0"), "utf8")).toBe("mine");
  expect(streamFiles(`${victim}.moved`).length).toBe(1);
});

test.each([
  ["drop-oldest", 16],
  ["stop", 9],
] as const)("a stream's size, %s, where packets fill it to the byte", async (whenFull, packets) => {
  await using place = new Place();
  const small = provider("test").tracepoint("eight_bytes", [["n", "u32"]]);
  const maxSize = packets * (4096 + PACKET_HEADER_BYTES);
  // The last of the files would be full as well.
  const count = 512 * 41;
  const info = await record(place, { maxSize, whenFull, flushPeriod: 60_000 }, async (session) => {
    for (let n = 0; n < count; n++) small(n);
    await session.flush();
    expect(bytesIn(session.traceDir ?? "")).toBeLessThanOrEqual(maxSize);
  });
  expect(info.recordsWritten + info.dropped).toBe(BigInt(count));
  expect(bytesIn(chunksOf(place.output)[0] ?? "")).toBeLessThanOrEqual(maxSize);
});

test("a stream's size, the oldest dropped: never more, the newest are there, the rest is counted", async () => {
  await using place = new Place();
  const maxSize = 100_000;
  let most = 0;
  const info = await record(place, { maxSize }, async (session) => {
    for (let n = 0; n < 20_000; n += 100) {
      emit(n, n + 100);
      if (n % 300 !== 0) continue;
      // The files are looked at one after the other: none may go meanwhile.
      await session.flush();
      most = Math.max(most, bytesIn(session.traceDir ?? ""));
    }
  });
  expect(most).toBeLessThanOrEqual(maxSize);
  const kept = Number(info.recordsWritten);
  expect(info.dropped).toBe(20_000n - BigInt(kept));
  const { events, lostPackets } = await readIncomplete(place.output);
  expect(numbers(events)).toEqual(range(20_000 - kept, 20_000));
  expect(lostPackets).toBeGreaterThan(0);
  expect(readHere(place.output)).toEqual({ numbers: numbers(events), traces: 1, lostPackets });
});

test("the limit is a stream's: a busy thread drops nothing of a quiet one", async () => {
  await using place = new Place();
  const session = { ...PATIENT, maxSize: 50_000 };
  const program = join(import.meta.dirname, "programs/busy-and-quiet.ts");
  const counts = (await runJson(place, program, { args: ["100000"], session })) as Record<string, number>;
  const { quiet = 0, recorded = 0, discarded = 0, dropped = 0 } = counts;
  expect(recorded + discarded + dropped).toBe(100_000 + quiet);
  const { events } = await readIncomplete(place.output);
  const [main] = new Set(events.map(({ tid }) => tid).sort((a, b) => a - b));
  expect(numbers(events.filter(({ tid }) => tid === main))).toEqual(range(0, quiet));
  expect(events.length).toBe(recorded);
});

test("a stream's size, recording stopped: never more, the oldest are there, the packets tell the rest", async () => {
  await using place = new Place();
  const maxSize = 60_000;
  const info = await record(place, { maxSize, whenFull: "stop" }, async (session) => {
    emit(0, 10_000);
    await session.flush();
    expect(bytesIn(session.traceDir ?? "")).toBeLessThanOrEqual(maxSize);
    emit(10_000, 20_000);
  });
  const kept = Number(info.recordsWritten);
  expect(kept).toBeGreaterThan(1000);
  expect([info.dropped, info.discardedTold]).toEqual([20_000n - BigInt(kept), 0n]);
  const { events, discarded } = await readReport(place.output);
  expect(numbers(events)).toEqual(range(0, kept));
  expect(discarded).toBe(20_000 - kept);
  expect(chunksOf(place.output).map(bytesIn)[0] ?? 0).toBeLessThanOrEqual(maxSize);
});

test("discarded events of a rotated trace are told, to the last one", async () => {
  await using place = new Place();
  const options = { mode: "discard", subBuffers: 2, rotateSize: 20_000 } as const;
  const info = await record(place, options, async (session) => {
    for (let n = 0; n < 60_000; n += 6000) {
      emit(n, n + 6000);
      await session.flush();
    }
  });
  const { events, discarded } = await readReport(place.output);
  expect([events.length, discarded]).toEqual([Number(info.recordsWritten), Number(info.discardedTold)]);
  expect(events.length + discarded).toBe(60_000);
  expect(discarded).toBeGreaterThan(0);
});

test.each<[string, SessionOptions]>([
  ["with rotation", { rotateSize: 20_000 }],
  ["with a limit", { maxSize: 60_000 }],
])("an event discarded at a thread's end is told, though the program lives on: %s", async (_, limits) => {
  await using place = new Place();
  const program = join(import.meta.dirname, "programs/discards-at-its-end.ts");
  const session = { subBufferSize: 4096, flushPeriod: 60_000, ...limits };
  expect(await runJson(place, program, { session })).toEqual([3, 3]);
  const { events, discarded } = await readReport(place.output);
  expect([events.length, discarded]).toEqual([3, 3]);
});

test("a snapshot of a rotated session is what the rings hold", async () => {
  await using place = new Place();
  const output = join(place.dir, "snapshot");
  await record(place, { rotateSize: 20_000, flushPeriod: 60_000 }, async (session) => {
    emit(0, 3000);
    await session.flush();
    emit(3000, 3010);
    expect(session.snapshot(output)).toMatchObject({ streams: 1 });
  });
  expect(numbers((await readReport(output)).events).slice(-10)).toEqual(range(3000, 3010));
});

test("record: the options, and the last line that names the one that helps", async () => {
  await using place = new Place();
  const program = join(import.meta.dirname, "programs/busy-and-quiet.ts");
  const small = ["--sub-buffer-size", "4K", "--sub-buffers", "4", "--mode", "block", "--block-timeout", "1m"];
  const run = async (...limits: string[]): Promise<string> => {
    const { stderr, status } = await cli(place, [
      "record",
      "-e",
      "test:*",
      ...small,
      ...limits,
      program,
      "50000",
    ]);
    expect(status).toBe(0);
    return stderr;
  };
  const dropped = (why: string): RegExp =>
    new RegExp(
      `^buntrace: [\\d,]+ events, [\\d.]+ kB, 2 streams, ([\\d,]+) lost -> \\./buntrace\\.data; \\1 events dropped ${why}\\n$`,
    );
  expect(await run("--max-size", "100K")).toMatch(dropped("beyond the limit: try a larger --max-size"));
  expect(await run("--max-size", "100K", "--when-full", "stop")).toMatch(
    dropped("beyond the limit: try a larger --max-size"),
  );
  expect(await run("--rotate-size", "50K", "--max-chunks", "2")).toMatch(
    dropped("with the oldest chunks: try more --max-chunks"),
  );
  expect(await run("--rotate-size", "50K", "--rotate-period", "1h")).toMatch(
    /, 0 lost -> \.\/buntrace\.data\n$/,
  );
  expect(readdirSync(join(place.dir, "buntrace.data")).length).toBeGreaterThan(5);
});
