/**
 * Uses everything of the API while nothing is recorded, and prints what that has
 * left in the process. Started by tests, without the recorder.
 */
import { readFileSync } from "node:fs";
import { isMainThread, parentPort, Worker } from "node:worker_threads";

import { flush, nameThread, provider, tracef } from "../../../src/index.ts";
import { childrenOf } from "../../support/processes.ts";

const test = provider("test");
const point = test.tracepoint("point", [
  ["n", "u32"],
  ["text", "string"],
]);
const span = test.span("span");
const counter = test.counter("counter");

function hasLibrary(): boolean {
  return readFileSync("/proc/self/maps", "latin1").includes("libbuntrace");
}

for (let n = 0; n < 10_000; n++) {
  point(n, "text");
  point.record({ n, text: "text" });
}
counter(5);
tracef("%d", 5);
nameThread("main");
await flush();

if (isMainThread) {
  const returned = [span.trace(() => 5), await span.trace(async () => 7), span.begin()];
  {
    using _ = span.enter();
  }
  const worker = await new Promise<unknown>((resolve) =>
    new Worker(import.meta.filename).on("message", resolve),
  );
  console.log(
    JSON.stringify({
      enabled: point.enabled,
      returned,
      library: hasLibrary(),
      children: childrenOf(process.pid),
      worker,
    }),
  );
} else {
  parentPort?.postMessage({ library: hasLibrary(), enabled: point.enabled });
}
