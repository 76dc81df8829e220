/**
 * Workers, one when the ring of the one before is free, that each fill a ring and more;
 * prints how many rings there are, and the memory of the session file after each.
 * Started by tests, under the recorder.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { provider } from "../../../src/index.ts";
import { RING_OFFSETS, ringsOf } from "../../../src/record/session-file.ts";
import { waitFor } from "../../support/processes.ts";

const point = provider("test").tracepoint("event", [["n", "u32"]]);

if (Bun.isMainThread) {
  const dir = process.env["BUNTRACE_SESSION_DIR"] ?? "";
  const path = join(dir, readdirSync(dir)[0] ?? "");
  let rings: readonly number[] = [];
  const memory: number[] = [];
  for (let i = 0; i < 4; i++) {
    const worker = new Worker(import.meta.url);
    await new Promise((done) => worker.addEventListener("close", done));
    await waitFor("the ring to be free", () => {
      const bytes = readFileSync(path);
      rings = ringsOf(bytes);
      return rings.every((ring) => bytes.readUInt32LE(ring + RING_OFFSETS.state) === 0);
    });
    memory.push(statSync(path).blocks * 512);
  }
  console.log(JSON.stringify({ rings: rings.length, memory }));
} else {
  for (let n = 0; n < 4000; n++) point(n);
}
