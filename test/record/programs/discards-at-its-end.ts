/**
 * Workers, one after another, whose last event is larger than a sub-buffer, when all before
 * it is written; the program lives on until their ring is drained, and prints the session's
 * sums. Started by tests, under the recorder.
 */
import { flush, openSession, provider } from "../../../src/index.ts";

const point = provider("test").tracepoint("event", [["text", "string"]]);

if (Bun.isMainThread) {
  const session = await openSession();
  for (let i = 0; i < 3; i++) {
    const worker = new Worker(import.meta.url);
    await new Promise((done) => worker.addEventListener("close", done));
    await Bun.sleep(10); // its thread ends a little later, and its ring goes to the next one
    await session.flush();
  }
  const { recordsWritten, discardedTold } = session.info() ?? {};
  console.log(JSON.stringify([Number(recordsWritten), Number(discardedTold)]));
} else {
  point("");
  await flush();
  point("x".repeat(5000));
}
