/**
 * What takeover.test.ts has consumers write: a Worker that emits and ends, the main
 * thread that emits and is killed. Started by the test with no consumer beside it:
 * `abandoned.ts TEXT`, with texts of less than so many bytes.
 */
import { provider } from "../../../src/index.ts";

const event = provider("test").tracepoint("event", [
  ["n", "u32"],
  ["text", "string"],
]);
const EVENTS = 1500;
const TEXT = Number(process.argv[2]);

function emit(events: number): void {
  for (let n = 0; n < events; n++) event(n, "x".repeat(n % TEXT));
}

if (Bun.isMainThread) {
  const worker = new Worker(import.meta.url, { argv: process.argv.slice(2) });
  await new Promise((done) => worker.addEventListener("close", done));
  emit(EVENTS);
  process.kill(process.pid, "SIGKILL");
  Bun.sleepSync(10_000);
} else {
  emit(EVENTS / 3);
  process.exit();
}
