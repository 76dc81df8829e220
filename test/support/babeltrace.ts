/**
 * Reads traces with babeltrace2, the reader nobody here wrote: runs it, demands
 * that it finds nothing to say, and gives its events as objects. Runs in the test
 * process.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import { parseLine, type TraceEvent } from "./pretty.ts";

export type { TraceEvent, Value } from "./pretty.ts";

/** A trace as babeltrace2 reads it. */
export interface Reading {
  /** In the order of babeltrace2, which is time's. */
  readonly events: readonly TraceEvent[];
  /** The sum of the discarded events it reports. */
  readonly discarded: number;
}

const LOST = /^WARNING: Tracer discarded (\d+) (event|packet)s? between \[[^\]]*\] and \[[^\]]*\] in trace /;

/** Runs babeltrace2. @throws Error when it is not installed. */
export async function babeltrace(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ stdout: string; stderr: string; status: number }> {
  const reader = Bun.spawn(["babeltrace2", ...args], {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, LC_ALL: "C", BUN_OPTIONS: undefined, ...env },
  });
  const [stdout, stderr, status] = await Promise.all([
    reader.stdout.text(),
    reader.stderr.text(),
    reader.exited,
  ]);
  return { stdout, stderr, status };
}

/**
 * Reads all traces below a directory, of which packets may be missing.
 * @throws Error when babeltrace2 fails, or says anything but that events or packets were lost.
 */
export async function readIncomplete(dir: string): Promise<Reading & { readonly lostPackets: number }> {
  const args = ["--clock-seconds", "--no-delta", "--fields=loglevel,trace", "--names=all", dir];
  const { stdout, stderr, status } = await babeltrace(args);
  const lost = { event: 0, packet: 0 };
  for (const line of stderr.split("\n").filter((text) => text !== "")) {
    const [, count, what] = LOST.exec(line) ?? [];
    if (count === undefined) throw new Error(`babeltrace2 on ${dir}: ${stderr.slice(0, 2000)}`);
    lost[what as keyof typeof lost] += Number(count);
  }
  if (status !== 0) throw new Error(`babeltrace2 on ${dir} ended with ${status}`);
  const events = stdout.split("\n").filter((line) => line !== "");
  return { events: events.map(parseLine), discarded: lost.event, lostPackets: lost.packet };
}

/**
 * Reads all traces below a directory.
 * @throws Error when babeltrace2 fails, or says anything but that events were discarded.
 */
export async function readReport(dir: string): Promise<Reading> {
  const { events, discarded, lostPackets } = await readIncomplete(dir);
  if (lostPackets > 0) throw new Error(`babeltrace2 on ${dir}: ${lostPackets} packets lost`);
  return { events, discarded };
}

/** As {@link readReport}, of traces that lost nothing. @throws Error when babeltrace2 says anything at all. */
export async function readTrace(dir: string): Promise<readonly TraceEvent[]> {
  const { events, discarded } = await readReport(dir);
  if (discarded > 0) throw new Error(`babeltrace2 on ${dir}: ${discarded} events discarded`);
  return events;
}

/**
 * Reads one trace with its floats as the integers of their bits: babeltrace2
 * prints six digits of a float, and all of an integer. Reads a copy whose metadata
 * declares integers under the names of the float types.
 */
export async function readBits(traceDir: string): Promise<readonly TraceEvent[]> {
  const dir = mkdtempSync(join(tmpdir(), "buntrace-bits-"));
  try {
    const copy = join(dir, basename(traceDir));
    cpSync(traceDir, copy, { recursive: true });
    const path = join(copy, "metadata");
    const text = readFileSync(path, "utf8");
    const swapped = text
      .replace(/typealias floating_point \{[^}]*\} := f32;/, integerAs(32, "f32"))
      .replace(/typealias floating_point \{[^}]*\} := f64;/, integerAs(64, "f64"));
    if (swapped.includes("floating_point")) throw new Error("a float type of another name in the metadata");
    writeFileSync(path, swapped);
    return await readTrace(copy);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function integerAs(bits: number, name: string): string {
  return `typealias integer { size = ${bits}; align = 8; signed = false; } := ${name};`;
}
