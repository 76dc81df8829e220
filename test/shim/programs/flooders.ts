/**
 * Two Workers that emit as fast as they can, at the same time. Started by
 * consumer.test.ts, under the recorder.
 */
import { provider } from "../../../src/index.ts";

const event = provider("test").tracepoint("event", [
  ["n", "u32"],
  ["text", "string"],
]);

const EVENTS = 15_000;

if (Bun.isMainThread) {
  const workers = [0, 1].map(() => new Worker(import.meta.url));
  await Promise.all(workers.map((worker) => new Promise((done) => worker.addEventListener("close", done))));
} else {
  const text = "x".repeat(100);
  for (let n = 0; n < EVENTS; n++) event(n, text);
  process.exit();
}
