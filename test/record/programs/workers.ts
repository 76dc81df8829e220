/**
 * The main thread and Workers that join its session emit a hundred events each;
 * one more Worker joins and emits nothing.
 * Started by tests, under the recorder: `workers.ts COUNT`.
 */
import { isMainThread, Worker, workerData } from "node:worker_threads";

import { openSession, provider } from "../../../src/index.ts";

const event = provider("test").tracepoint("event", [
  ["worker", "i32"],
  ["n", "u32"],
]);

function emit(worker: number): void {
  for (let n = 0; n < 100; n++) event(worker, n);
}

async function runWorker(number: number): Promise<void> {
  const worker = new Worker(import.meta.filename, { workerData: number });
  await new Promise<void>((resolve, reject) => {
    worker.on("exit", () => resolve());
    worker.on("error", reject);
  });
}

/** Number of the Worker that emits nothing. */
const SILENT = -1;

if (isMainThread) {
  const count = Number(process.argv[2]);
  emit(0);
  await Promise.all([SILENT, ...Array.from({ length: count }, (_, i) => i + 1)].map(runWorker));
  console.log(JSON.stringify({ emitted: (count + 1) * 100 }));
} else {
  const number = Number(workerData);
  await openSession();
  if (number !== SILENT) emit(number);
}
