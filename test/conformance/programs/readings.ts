/**
 * Emits numbered events with readings of real time around each, which it prints.
 * Started by tests, under the recorder: `readings.ts COUNT`.
 */
import { provider } from "../../../src/index.ts";
import { realtimeNs } from "../../support/realtime.ts";

const event = provider("test").tracepoint("event", [["n", "u32"]]);
const times: [before: string, after: string][] = [];
for (let n = 0, count = Number(process.argv[2]); n < count; n++) {
  const before = realtimeNs();
  event(n);
  const after = realtimeNs();
  times.push([String(before), String(after)]);
}
console.log(JSON.stringify({ times }));
