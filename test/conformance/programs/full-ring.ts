/**
 * Stops its consumer, emits records of 64 bytes, lets the consumer go on, and emits
 * ten more when there is room. Started by tests, under the recorder:
 * `full-ring.ts COUNT`.
 */
import { flush, openSession, provider } from "../../../src/index.ts";
import { processState, waitFor } from "../../support/processes.ts";

const count = Number(process.argv[2]);
const event = provider("test").tracepoint("event", [
  ["n", "u32"],
  ["text", "string"],
]);
// 4 bytes of header, 4 of number, and the final NUL.
const text = "x".repeat(64 - 9);
const session = await openSession();
// 0 until there is one; a signal to 0 goes to the whole group.
const consumer = await waitFor("the consumer", () => session.info()?.consumerPid || undefined);
process.kill(consumer, "SIGSTOP");
await waitFor("the consumer to stop", () => processState(consumer) === "T");
for (let n = 0; n < count; n++) event(n, text);
process.kill(consumer, "SIGCONT");
await flush();
for (let n = count; n < count + 10; n++) event(n, text);
console.log("{}");
