/**
 * How long does starting a recording stop a program, and does that grow with its heap?
 * Milliseconds of openSession and of the first event, in a fresh process with as much
 * memory. `bun bench/pause.ts`, or `--small` for a test. Needs 2.5 GB of memory.
 */
import { join } from "node:path";

import { openSession } from "../src/index.ts";
import { statusNumber } from "../test/support/processes.ts";
import { bursts } from "./payloads.ts";
import { cellToRun, machine, runCells, small, table, withTempDir } from "./support.ts";

const ROUNDS = small ? 1 : 7;
const HEAPS_MB = small ? [30, 100] : [30, 500, 2000];
/** Numbers in an array of the heap: 1 MB. */
const NUMBERS = 125_000;

/** Fills the JavaScript heap until the process has this much resident. */
function fill(megabytes: number): number[][] {
  const heap: number[][] = [];
  while ((statusNumber(process.pid, "VmRSS") * 1024) / 1e6 < megabytes)
    heap.push(Array.from({ length: NUMBERS }, () => 0.5));
  return heap;
}

async function pause(megabytes: number): Promise<Record<string, number>> {
  return withTempDir(async (dir) => {
    const heap = fill(megabytes);
    const burst = bursts["two_f64"]!();
    await Bun.sleep(50);
    const start = performance.now();
    const opening = openSession({ output: join(dir, "trace") });
    const opened = performance.now();
    burst(1);
    const emitted = performance.now();
    await (await opening).close();
    if (heap.length > 0 && heap.at(-1)?.length !== NUMBERS) throw new Error("the heap is gone");
    return { open: opened - start, first: emitted - opened };
  });
}

const cell = cellToRun();
if (cell !== undefined) console.log(JSON.stringify(await pause(Number(cell))));
else {
  const results = await runCells(import.meta.path, HEAPS_MB.map(String), ROUNDS);
  console.log(`${machine()}; medians of ${ROUNDS} rounds, each cell a fresh process\n`);
  console.log(
    table(
      ["resident, MB", "openSession, ms", "first event, ms"],
      HEAPS_MB.map((size) => [
        String(size),
        results.of(`${size}.open`).toFixed(2),
        results.of(`${size}.first`).toFixed(2),
      ]),
    ),
  );
}
