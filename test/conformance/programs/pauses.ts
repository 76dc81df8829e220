/**
 * Emits an event after each pause, with readings of real time around it, which it
 * prints. Started by tests, under the recorder: `pauses.ts MILLISECONDS..`.
 */
import { provider } from "../../../src/index.ts";
import { realtimeNs } from "../../support/realtime.ts";

const event = provider("test").tracepoint("event", [["n", "u32"]]);
const times: [before: string, after: string][] = [];
process.argv.slice(2).forEach((pause, n) => {
  Bun.sleepSync(Number(pause));
  const before = realtimeNs();
  event(n);
  const after = realtimeNs();
  times.push([String(before), String(after)]);
});
console.log(JSON.stringify({ times }));
