/**
 * Does a second thread make an event dearer? Nanoseconds an event of two numbers, warm,
 * in bursts that fit the ring, from one Worker alone and from two at the same time; the
 * consumer drains between the bursts, not beside them, and writes nothing. On two cores
 * what is left is what the threads share: caches and the session's lines.
 * `bun bench/threads.ts`, or `--small` for a test.
 */
import { isMainThread, Worker, workerData } from "node:worker_threads";

import { openSession, provider } from "../src/index.ts";
import { cellToRun, machine, runCells, small, table } from "./support.ts";

const ROUNDS = small ? 1 : 7;
/** 50,000 records of 20 bytes are 1 MB: half of a ring. */
const BURST = 50_000;
const BURSTS = small ? 4 : 60;
/** JavaScriptCore's top tier comes after about half a million calls. */
const WARM_UP = small ? 2 : 30;

const event = provider("bench").tracepoint("two_f64", [
  ["a", "f64"],
  ["b", "f64"],
]);

/** All threads start each burst together: each counts itself in and waits for the rest. */
function meet(arrived: Int32Array, threads: number): void {
  const target = Math.floor(Atomics.add(arrived, 0, 1) / threads + 1) * threads;
  while (Atomics.load(arrived, 0) < target);
}

/** Nanoseconds an event in this thread. */
async function emit(arrived: Int32Array, threads: number): Promise<number> {
  const session = await openSession();
  let ns = 0;
  for (let burst = 0; burst < WARM_UP + BURSTS; burst++) {
    meet(arrived, threads);
    const start = Bun.nanoseconds();
    for (let i = 0; i < BURST; i++) event(i, i * 0.5);
    if (burst >= WARM_UP) ns += Bun.nanoseconds() - start;
    meet(arrived, threads);
    await session.flush();
  }
  return ns / (BURSTS * BURST);
}

async function runCell(threads: number): Promise<number> {
  // The flush period: longer than the bench, so that nothing is drained within a burst.
  await using session = await openSession({ output: "null", flushPeriod: 1_000_000, enable: ["bench:*"] });
  const arrived = new Int32Array(new SharedArrayBuffer(4));
  const results = await Promise.all(
    Array.from({ length: threads }, () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { arrived, threads } });
      return new Promise<number>((done, failed) => worker.on("message", done).on("error", failed));
    }),
  );
  const { recordsWritten = 0n } = session.info() ?? {};
  const emitted = threads * (WARM_UP + BURSTS) * BURST;
  if (Number(recordsWritten) !== emitted && !small)
    throw new Error(`${recordsWritten} of ${emitted} events were recorded: not what this measures`);
  return results.reduce((sum, one) => sum + one, 0) / threads;
}

const cell = cellToRun();
if (!isMainThread) {
  const { arrived, threads } = workerData as { arrived: Int32Array; threads: number };
  postMessage(await emit(arrived, threads));
} else if (cell !== undefined) {
  console.log(await runCell(Number(cell)));
} else {
  const results = await runCells(import.meta.path, ["1", "2"], ROUNDS);
  console.log(`${machine()}; medians of ${ROUNDS} rounds, each cell a fresh process\n`);
  console.log(
    table(
      ["threads at once", "ns an event in each", "over one thread"],
      ["1", "2"].map((name) => [name, results.of(name).toFixed(1), results.ratio(name, "1").toFixed(2)]),
    ),
  );
}
