/**
 * The storm's traced program: emits as its plan says, from the main thread and from
 * Workers, and keeps the number of events of each thread in a file mapped shared,
 * which outlives any death. Started by tests: `emitter.ts PLAN COUNTS`.
 */
import { readFileSync } from "node:fs";

import { nameThread, provider } from "../../../src/index.ts";
import { type Plan, textOf, type ThreadPlan } from "../plan.ts";

const [planFile = "", countsFile = ""] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planFile, "utf8")) as Plan;
const mapped = Bun.mmap(countsFile, { shared: true });
const counts = new Uint32Array(mapped.buffer, mapped.byteOffset, mapped.byteLength / 4);

async function emit({ slot, seed, count, burst, pauseMs, toggled }: ThreadPlan): Promise<void> {
  nameThread(`slot-${slot}`);
  const event = provider("test").tracepoint(toggled ? "toggled" : "tick", [
    ["slot", "u32"],
    ["n", "u32"],
    ["text", "string"],
  ]);
  for (let n = 0; n < count; n++) {
    const text = textOf(seed, n, plan.subBufferSize);
    if (event.enabled) {
      event(slot, n, text);
      counts[slot] = (counts[slot] ?? 0) + 1;
    }
    if ((n + 1) % burst === 0) await Bun.sleep(pauseMs);
  }
}

/** Runs a Worker to its end, or ends it. */
async function runWorker({ slot, terminateAfterMs }: ThreadPlan): Promise<void> {
  const worker = new Worker(import.meta.url);
  worker.postMessage(slot);
  const timer =
    terminateAfterMs === undefined ? undefined : setTimeout(() => worker.terminate(), terminateAfterMs);
  await new Promise((done) => worker.addEventListener("close", done));
  clearTimeout(timer);
}

if (Bun.isMainThread) {
  console.log("ready");
  if (plan.end === "exit") setTimeout(() => process.exit(), plan.endAtMs);
  const lane = async (threads: readonly ThreadPlan[]): Promise<void> => {
    for (const thread of threads) await (thread.slot === 0 ? emit(thread) : runWorker(thread));
  };
  await Promise.all(plan.lanes.map(lane));
  process.exit();
} else {
  globalThis.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    const thread = plan.lanes.flat().find(({ slot }) => slot === data);
    if (thread) void emit(thread).then(() => process.exit());
  });
}
