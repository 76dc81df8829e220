/**
 * What ahead.test.ts has consumers write: a Worker that emits and is quiet from then on,
 * and the main thread that emits after it. Both stay, until the program is killed: at
 * once, by itself, or with the argument "stay" by the test, after it has printed a line
 * when all is written. Started by the test.
 */
import { flush, provider } from "../../../src/index.ts";

const event = provider("test").tracepoint("event", [
  ["n", "u32"],
  ["text", "string"],
]);

function emit(events: number): void {
  for (let n = 0; n < events; n++) event(n, "x".repeat(n % 50));
}

if (Bun.isMainThread) {
  const worker = new Worker(import.meta.url);
  await new Promise((done) => worker.addEventListener("message", done));
  const stays = process.argv[2] === "stay";
  if (stays) await flush();
  emit(1000);
  if (stays) {
    // The second time every ring is looked at after the last rotation.
    for (let i = 0; i < 2; i++) await flush();
    console.log("written");
    await new Promise(() => worker.addEventListener("message", () => {}));
  }
  process.kill(process.pid, "SIGKILL");
  Bun.sleepSync(10_000);
} else {
  addEventListener("message", () => {});
  emit(500);
  postMessage("emitted");
}
