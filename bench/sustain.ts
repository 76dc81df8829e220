/**
 * How much can be recorded without losing anything? 200 million events in block mode
 * to a file, until the last is there, beside plain write(2) of as many bytes from
 * memory to the same place: short events and few long ones, which memory holds until the
 * disk has them, and 200 million of a log line's length, which it does not; and what the
 * consumer costs at a steady 100 MB/s. `bun bench/sustain.ts [--events N]
 * [--dir DIRECTORY]`, or `--small` for a test. Needs 24 GB of disk.
 */
import { closeSync, openSync, readdirSync, rmSync, statfsSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

import { openSession, provider, type Session } from "../src/index.ts";
import { consumersOf, cpuSeconds } from "../test/support/processes.ts";
import { bursts, texts } from "./payloads.ts";
import {
  cellToRun,
  flag,
  machine,
  type Results,
  runCells,
  sessionDirOf,
  small,
  table,
  withTempDir,
} from "./support.ts";

/** Of what memory holds: plain writes of it take between 0.6 and 1.2 s. */
const ROUNDS = small ? 1 : 7;
/** Of what it does not: half a minute each. */
const LARGE_ROUNDS = small ? 1 : 3;
const EVENTS = Number(flag("events") ?? (small ? 2_000_000 : 200_000_000));
/** Two f64 and a compact header. */
const EVENT_BYTES = 20;
const LONG_TEXT = texts[0].repeat(25);
const LINE_TEXT = texts[0].repeat(5);
/** Bytes of an event with an i32 and a text: a header, the i32, the text and its NUL. */
const textBytes = (text: string): number => 4 + 4 + text.length + 1;
const LONG_EVENTS = Math.round((EVENTS * EVENT_BYTES) / textBytes(LONG_TEXT));
const SHORT_BYTES = EVENTS * EVENT_BYTES;
const LINES_BYTES = EVENTS * textBytes(LINE_TEXT);
/** As the consumer writes: a sub-buffer at a time. */
const CHUNK_BYTES = 256 * 1024;
const PACED_BYTES_A_SECOND = 100e6;
const PACED_SECONDS = small ? 0.3 : 5;
const PACED_EVENTS = (PACED_BYTES_A_SECOND / EVENT_BYTES) * PACED_SECONDS;
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
    writePlain(dir, SHORT_BYTES);
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

/** Writes so many bytes, a sub-buffer's at a time, and removes them. @returns seconds of writing. */
function writePlain(dir: string, bytes: number): number {
  const chunk = new Uint8Array(CHUNK_BYTES).fill(1);
  const path = join(dir, "plain");
  const file = openSync(path, "w");
  const start = performance.now();
  for (let written = 0; written < bytes;) written += writeSync(file, chunk);
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
function plainWrite(bytes: number): Promise<Record<string, number>> {
  return withTempDir(async (dir) => {
    writePlain(dir, SHORT_BYTES);
    return { seconds: writePlain(dir, bytes) };
  }, flag("dir"));
}

/** Emits as many events a millisecond as make 100 MB a second. */
async function paced(): Promise<Record<string, number>> {
  const burst = bursts["two_f64"]!();
  return recorded(async () => {
    const start = performance.now();
    for (let emitted = 0; emitted < PACED_EVENTS;) {
      const due = Math.min(PACED_EVENTS, ((performance.now() - start) / 1000 / PACED_SECONDS) * PACED_EVENTS);
      burst(Math.floor(due) - emitted);
      emitted = Math.floor(due);
      await Bun.sleep(1);
    }
  }, PACED_EVENTS);
}

function inBursts(burst: (n: number) => void, events: number): Promise<Record<string, number>> {
  return recorded(() => {
    for (let done = 0; done < events; done += BURST) burst(Math.min(BURST, events - done));
  }, events);
}

function withText(text: string): (n: number) => void {
  const event = provider("bench").tracepoint("text", [
    ["a", "i32"],
    ["s", "string"],
  ]);
  return (n) => {
    for (let i = 0; i < n; i++) event(i, text);
  };
}

/** In their order: what is compared with a plain write is right before or after it. */
const inMemory: Readonly<Record<string, () => Promise<Record<string, number>>>> = {
  paced,
  events: () => inBursts(bursts["two_f64"]!(), EVENTS),
  write: () => plainWrite(SHORT_BYTES),
  long: () => inBursts(withText(LONG_TEXT), LONG_EVENTS),
};
const large: typeof inMemory = {
  write_lines: () => plainWrite(LINES_BYTES),
  lines: () => inBursts(withText(LINE_TEXT), EVENTS),
};

const cell = cellToRun();
if (cell !== undefined) console.log(JSON.stringify(await { ...inMemory, ...large }[cell]!()));
else {
  const needed = LINES_BYTES * 1.1;
  await withTempDir(async (dir) => {
    const { bavail, bsize } = statfsSync(dir);
    if (bavail * bsize < needed)
      throw new Error(
        `${dir} has no room for ${(needed / 1e9).toFixed(1)} GB; name a --dir, or fewer --events`,
      );
  }, flag("dir"));
  const short = await runCells(import.meta.path, Object.keys(inMemory), ROUNDS);
  const long = await runCells(import.meta.path, Object.keys(large), LARGE_ROUNDS);
  const plain = (results: Results, cell: string, bytes: number): string[] => {
    const rate = bytes / results.of(`${cell}.seconds`) / 1e6;
    return [
      `plain write(2) of ${(bytes / 1e9).toFixed(1)} GB, 256 KiB each`,
      "",
      rate.toFixed(0),
      "100 %",
      "",
      "",
      "",
    ];
  };
  const percent = (ratio: number): string => (ratio * 100).toFixed(0);
  /** Of a plain write's rate, and the rounds' least and most. */
  const compared = (results: Results, cell: string, write: string): string => {
    const both = [`${write}.seconds`, `${cell}.seconds`] as const;
    const [least, most] = results.range(...both);
    return `${percent(results.ratio(...both))} % (${percent(least)} to ${percent(most)})`;
  };
  const recordedRow = (
    results: Results,
    title: string,
    cell: string,
    events: number,
    write?: string,
  ): string[] => {
    const seconds = results.of(`${cell}.seconds`);
    const bytes = results.of(`${cell}.bytes`);
    return [
      `${(events / 1e6).toFixed(events < 10e6 ? 1 : 0)} million of ${title}`,
      (events / seconds / 1e6).toFixed(1),
      ((events * bytes) / seconds / 1e6).toFixed(0),
      write === undefined ? "" : compared(results, cell, write),
      bytes.toFixed(2),
      `${(results.of(`${cell}.cpu`) * 100).toFixed(0)} %`,
      String(results.range(`${cell}.lost`)[1]), // of any round
    ];
  };
  console.log(
    `${machine()}; medians of ${ROUNDS} rounds (of the large ones ${LARGE_ROUNDS}), in brackets the rounds' least and most; block mode, each cell a fresh process\n`,
  );
  console.log(
    table(
      ["to a file", "million events/s", "MB/s", "of write(2)", "bytes/event", "consumer's CPU", "lost"],
      [
        plain(short, "write", SHORT_BYTES),
        recordedRow(short, "two f64", "events", EVENTS, "write"),
        recordedRow(short, "i32 + 500 characters", "long", LONG_EVENTS, "write"),
        plain(long, "write_lines", LINES_BYTES),
        recordedRow(long, "i32 + 100 characters", "lines", EVENTS, "write_lines"),
        recordedRow(short, "two f64, at 100 MB/s", "paced", PACED_EVENTS),
      ],
    ),
  );
}
