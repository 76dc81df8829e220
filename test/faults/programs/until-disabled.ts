/**
 * Emits an event, and, told to go on by a line, more of them until their type is switched
 * off; prints how many events there were. Started by tests.
 */
import { flush, provider } from "../../../src/index.ts";

const event = provider("test").tracepoint("event", [["n", "u32"]]);
let n = 0;
event(n++);
await flush();
console.error("begins");
for await (const _ of console) break;
while (event.enabled) event(n++);
console.log(n);
process.exit();
