/**
 * Emits an event with each number that comes in on stdin, and answers when it has.
 * Started by tests, under the recorder.
 */
import { provider } from "../../../src/index.ts";

const event = provider("test").tracepoint("event", [["n", "u32"]]);
for await (const line of console) {
  // The end of stdin comes as an empty line.
  if (line === "") break;
  event(Number(line));
  console.log("done");
}
