/** Opens a session itself; then web Workers, made in every way: `web-workers.ts OUTPUT`. Started by tests, not under the recorder. */
import { openSession, provider } from "../../../src/index.ts";

const point = provider("test").tracepoint("event", [["from", "string"]]);

if (Bun.isMainThread) {
  await using _ = await openSession({ output: process.argv[2] ?? "" });
  class Own extends Worker {}
  const ways = [
    () => new Worker(import.meta.url),
    () => new Worker(new URL(import.meta.url), undefined),
    () => new Worker(import.meta.url, {}),
    () => new Own(import.meta.url),
  ];
  for (const make of ways) {
    const worker = make();
    console.log(worker instanceof Worker, worker instanceof Own);
    await new Promise((resolve) => worker.addEventListener("close", resolve));
  }
  point("main");
} else point("a Worker");
