/**
 * A Worker opens the session; the main thread joins it and emits after the Worker has
 * gone. Started by tests, not under the recorder: `worker-first.ts OUTPUT`.
 */
import { isMainThread, Worker, workerData } from "node:worker_threads";

import { openSession, provider } from "../../../src/index.ts";

const point = provider("test").tracepoint("event", [["n", "u32"]]);
if (isMainThread) {
  const output = process.argv[2] ?? "";
  const worker = new Worker(import.meta.filename, { workerData: output });
  await new Promise((resolve) => worker.on("exit", resolve));
  const session = await openSession({ output: `${output}-other` });
  for (let n = 10; n < 20; n++) point(n);
  console.log(JSON.stringify({ recording: session.recording, pid: process.pid }));
} else {
  await openSession({ output: String(workerData) });
  for (let n = 0; n < 10; n++) point(n);
}
