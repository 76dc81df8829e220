/**
 * How much can be recorded without losing anything? 200 million events in block mode
 * to a file, until the last is there, beside plain write(2) of as many bytes from
 * memory to the same place; and what the consumer costs at a steady 100 MB/s.
 * `bun bench/sustain.ts [--events N] [--dir DIRECTORY]`, or `--small` for a test. Needs
 * 4 GB of disk.
 */
import { closeSync, openSync, readdirSync, rmSync, statfsSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

import { openSession, provider, type Session } from "../src/index.ts";
import { consumersOf, cpuSeconds } from "../test/support/processes.ts";
import { bursts } from "./payloads.ts";
import { cellToRun, flag, machine, runCells, sessionDirOf, small, table, withTempDir } from "./support.ts";

const ROUNDS = small ? 1 : 3;
const EVENTS = Number(flag("events") ?? (small ? 2_000_000 : 200_000_000));
/** Two f64 and a compact header. */
const EVENT_BYTES = 20;
const TEXT = "GET /index/of/page22".repeat(25);
/** A header, an i32, the text and its NUL. */
const TEXT_EVENT_BYTES = 4 + 4 + TEXT.length + 1;
/** As the consumer writes: a sub-buffer at a time. */
const CHUNK_BYTES = 256 * 1024;
const PACED_BYTES_A_SECOND = 100e6;
const PACED_SECONDS = small ? 0.3 : 5;
/** Nothing may be discarded because the disk paused. */
const BLOCK_TIMEOUT_MS = 60_000;
const BURST = 100_000;

/** Runs `emit` in a lossless session, until all of it is written. @returns what it took and left. */
async function recorded(emit: () => Promise<void> | void, events: number): Promise<Record<string, number>> {
  return withTempDir(async (dir) => {
    const sessionDir = sessionDirOf(dir);
    await using session = await openSession({
      output: join(dir, "trace"),
      sessionDir,
      mode: "block",
      blockTimeout: BLOCK_TIMEOUT_MS,
    });
    writePlain(dir);
    const consumer = consumersOf(sessionDir)[0]!;
    const before = cpuSeconds(consumer);
    const start = performance.now();
    await emit();
    await session.flush();
    const seconds = (performance.now() - start) / 1000;
    return { seconds, cpu: (cpuSeconds(consumer) - before) / seconds, ...left(session, events) };
  }, flag("dir"));
}

/** Bytes an event on disk, and events that are not there. */
function left(session: Session, events: number): { bytes: number; lost: number } {
  const dir = session.traceDir!;
  const streams = readdirSync(dir).filter((name) => name.startsWith("thread-"));
  const bytes = streams.reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
  return { bytes: bytes / events, lost: events - Number(session.info()!.recordsWritten) };
}

/** Writes as many bytes as the events are, a sub-buffer's at a time, and removes them. @returns seconds of writing. */
function writePlain(dir: string): number {
  const chunk = new Uint8Array(CHUNK_BYTES).fill(1);
  const path = join(dir, "plain");
  const file = openSync(path, "w");
  const start = performance.now();
  for (let written = 0; written < EVENTS * EVENT_BYTES;) written += writeSync(file, chunk);
  const seconds = (performance.now() - start) / 1000;
  closeSync(file);
  rmSync(path);
  return seconds;
}

/**
 * A virtual machine's host takes back memory that has been free for a while, and
 * whoever uses it next pays several times the price of the write: everyone measured
 * here writes into memory that another file has just left.
 */
function plainWrite(): Promise<Record<string, number>> {
  return withTempDir(async (dir) => {
    writePlain(dir);
    return { seconds: writePlain(dir) };
  }, flag("dir"));
}

/** Emits as many events a millisecond as make 100 MB a second. */
async function paced(): Promise<Record<string, number>> {
  const burst = bursts["two_f64"]!();
  const total = (PACED_BYTES_A_SECOND / EVENT_BYTES) * PACED_SECONDS;
  return recorded(async () => {
    const start = performance.now();
    for (let emitted = 0; emitted < total;) {
      const due = Math.min(total, ((performance.now() - start) / 1000 / PACED_SECONDS) * total);
      burst(Math.floor(due) - emitted);
      emitted = Math.floor(due);
      await Bun.sleep(1);
    }
  }, total);
}

function inBursts(burst: (n: number) => void, events: number): Promise<Record<string, number>> {
  return recorded(() => {
    for (let done = 0; done < events; done += BURST) burst(Math.min(BURST, events - done));
  }, events);
}

const textEvents = Math.round((EVENTS * EVENT_BYTES) / TEXT_EVENT_BYTES);

const cells: Readonly<Record<string, () => Promise<Record<string, number>>>> = {
  write: plainWrite,
  events: () => inBursts(bursts["two_f64"]!(), EVENTS),
  text: () => {
    const event = provider("bench").tracepoint("text", [
      ["a", "i32"],
      ["s", "string"],
    ]);
    return inBursts((n) => {
      for (let i = 0; i < n; i++) event(i, TEXT);
    }, textEvents);
  },
  paced,
};

const cell = cellToRun();
if (cell !== undefined) console.log(JSON.stringify(await cells[cell]!()));
else {
  const needed = EVENTS * EVENT_BYTES * 1.1;
  await withTempDir(async (dir) => {
    const { bavail, bsize } = statfsSync(dir);
    if (bavail * bsize < needed)
      throw new Error(
        `${dir} has no room for ${(needed / 1e9).toFixed(1)} GB; name a --dir, or fewer --events`,
      );
  }, flag("dir"));
  const results = await runCells(import.meta.path, Object.keys(cells), ROUNDS);
  const rate = (cell: string, events: number): string[] => {
    const seconds = results.of(`${cell}.seconds`);
    const bytes = results.of(`${cell}.bytes`);
    return [
      (events / seconds / 1e6).toFixed(1),
      ((events * bytes) / seconds / 1e6).toFixed(0),
      `${(results.ratio("write.seconds", `${cell}.seconds`) * 100).toFixed(0)} %`,
      bytes.toFixed(2),
      `${(results.of(`${cell}.cpu`) * 100).toFixed(0)} %`,
      String(results.of(`${cell}.lost`)),
    ];
  };
  const plain = (EVENTS * EVENT_BYTES) / results.of("write.seconds") / 1e6;
  console.log(`${machine()}; medians of ${ROUNDS} rounds, block mode, each cell a fresh process\n`);
  console.log(
    table(
      ["to a file", "million events/s", "MB/s", "of write(2)", "bytes/event", "consumer's CPU", "lost"],
      [
        ["plain write(2), 256 KiB each", "", plain.toFixed(0), "100 %", "", "", ""],
        [`${EVENTS / 1e6} million of two f64`, ...rate("events", EVENTS)],
        [`${(textEvents / 1e6).toFixed(1)} million of i32 + 500 characters`, ...rate("text", textEvents)],
        [
          "two f64, at 100 MB/s",
          ...rate("paced", (PACED_BYTES_A_SECOND / EVENT_BYTES) * PACED_SECONDS).with(2, ""),
        ],
      ],
    ),
  );
}
