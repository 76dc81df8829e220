/**
 * Emits numbered records of 64 bytes and flushes after as many as it is told.
 * Started by tests, under the recorder: `flush.ts COUNT..`.
 */
import { flush, provider } from "../../../src/index.ts";

const event = provider("test").tracepoint("event", [
  ["n", "u32"],
  ["text", "string"],
]);
const text = "x".repeat(64 - 9);
let n = 0;
for (const count of process.argv.slice(2).map(Number)) {
  for (const end = n + count; n < end; n++) event(n, text);
  await flush();
}
console.log("{}");
