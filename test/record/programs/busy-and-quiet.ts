/**
 * A main thread that emits now and then, a Worker that emits without end, and both
 * counts printed. Started by tests, under the recorder: `busy-and-quiet.ts EVENTS`.
 */
import { openSession, provider } from "../../../src/index.ts";

const point = provider("test").tracepoint("event", [["n", "u32"]]);
const EVENTS = Number(process.argv[2]);

if (Bun.isMainThread) {
  const worker = new Worker(import.meta.url, { argv: process.argv.slice(2) });
  let quiet = 0;
  const timer = setInterval(() => point(quiet++), 1);
  await new Promise((done) => worker.addEventListener("close", done));
  clearInterval(timer);
  point(quiet++);
  const session = await openSession();
  await session.flush();
  const { recordsWritten, discardedTold, dropped } = session.info() ?? {};
  console.log(
    JSON.stringify({
      quiet,
      recorded: Number(recordsWritten),
      discarded: Number(discardedTold),
      dropped: Number(dropped),
    }),
  );
} else {
  for (let n = 0; n < EVENTS; n++) point(n);
  process.exit();
}
