/**
 * Emits numbered events with readings of real time around each, which it prints.
 * Pauses in the middle: an error of the clock's frequency grows with time. Started by
 * tests, under the recorder: `readings.ts COUNT [PAUSE-MILLISECONDS]`.
 */
import { provider } from "../../../src/index.ts";
import { realtimeNs } from "../../support/realtime.ts";

const event = provider("test").tracepoint("event", [["n", "u32"]]);
const times: [before: string, after: string][] = [];
const [count = 0, pause = 0] = process.argv.slice(2).map(Number);
for (let n = 0; n < count; n++) {
  if (n === count >> 1) Bun.sleepSync(pause);
  const before = realtimeNs();
  event(n);
  const after = realtimeNs();
  times.push([String(before), String(after)]);
}
console.log(JSON.stringify({ times }));
