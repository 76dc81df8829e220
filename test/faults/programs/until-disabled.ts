/** Emits until its event type is switched off, and prints how many events. Started by tests. */
import { provider } from "../../../src/index.ts";

const event = provider("test").tracepoint("event", [["n", "u32"]]);
let n = 0;
console.error("begins");
while (event.enabled) event(n++);
console.log(n);
