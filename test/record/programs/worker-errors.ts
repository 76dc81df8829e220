/**
 * Workers, one after another, that each emit numbered events and then fail, by turns
 * thrown and rejected: `worker-errors.ts WORKERS EVENTS`. The main thread goes on. Opens a
 * session of its own where SNAPSHOTS says what is asked for.
 */
import { isMainThread, Worker, workerData } from "node:worker_threads";

import { openSession, provider } from "../../../src/index.ts";

const [workers, count] = process.argv.slice(2).map(Number);
const tick = provider("test").tracepoint("tick", [["n", "u32"]]);
const session = process.env["SNAPSHOTS"];

if (isMainThread) {
  if (session !== undefined) await openSession(JSON.parse(session));
  for (let index = 0; index < workers!; index++) {
    const worker = new Worker(import.meta.filename, { workerData: index, argv: process.argv.slice(2) });
    worker.on("error", (error) => console.log(String(error)));
    await new Promise((done) => worker.on("exit", done));
  }
  console.log("goes on");
} else {
  const index = Number(workerData);
  setTimeout(() => fail(index), 1);
  // Bun reports no rejection of the last task of a Worker.
  setTimeout(() => console.log("never"), 5000);
}

function fail(index: number): void {
  for (let n = 0; n < count!; n++) tick(index * count! + n);
  const error = new Error(`error ${index}`);
  if (index % 2 === 0) throw error;
  void Promise.reject(error);
}
