/**
 * Three Workers, one after another, so that all use one ring; then the consumer is killed, and
 * the sums of the one that takes over are printed. Started by tests, under the recorder:
 * `one-after-another.ts SESSION-DIR`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { openSession, provider } from "../../../src/index.ts";
import { ringsOf } from "../../../src/record/session-file.ts";
import { consumersOf, isAlive, waitFor } from "../../support/processes.ts";

const event = provider("test").tracepoint("event", [["n", "u32"]]);
const session = await openSession();

if (Bun.isMainThread) {
  const dir = process.argv[2] ?? "";
  for (let n = 1; n <= 3; n++) {
    const worker = new Worker(import.meta.filename);
    await new Promise((done) => worker.addEventListener("close", done));
    // Written: the consumer has drained the ring, and then given it free.
    await waitFor("its events", () => session.info()?.recordsWritten === BigInt(n * 100));
    await session.flush();
  }
  const [consumer = 0] = consumersOf(dir);
  process.kill(consumer, "SIGKILL");
  await waitFor("its death", () => !isAlive(consumer));
  await session.flush();
  const [file = ""] = readdirSync(dir);
  const { recordsWritten, streams } = session.info() ?? {};
  const rings = ringsOf(readFileSync(join(dir, file))).length;
  console.log(JSON.stringify({ recordsWritten: Number(recordsWritten), streams, rings }));
} else {
  for (let n = 0; n < 100; n++) event(n);
}
