/**
 * Emits a hundred events and then is busy, idle, or stopped. With `blocked`, SIGUSR1
 * and SIGUSR2 are blocked from the start, and the events fill many sub-buffers.
 * Started by tests, under the recorder: `states.ts STATE`.
 */
import { dlopen } from "bun:ffi";

import { openSession, provider } from "../../../src/index.ts";

const state = process.argv[2];
const point = provider("test").tracepoint("event", [["n", "u32"]]);
if (state === "blocked") {
  const { sigprocmask } = dlopen("libc.so.6", {
    sigprocmask: { args: ["i32", "buffer", "ptr"], returns: "i32" },
  }).symbols;
  const set = new BigUint64Array(16);
  // SIGUSR1 is 10, SIGUSR2 12; SIG_BLOCK is 0.
  set[0] = (1n << 9n) | (1n << 11n);
  sigprocmask(0, set, null);
  await openSession({
    output: process.argv[3] ?? "",
    flushPeriod: 60_000,
    subBufferSize: 4096,
    mode: "block",
    blockTimeout: 60_000,
  });
}
const count = state === "blocked" ? 5000 : 100;
for (let n = 0; n < count; n++) point(n);
console.log("emitted");
if (state === "busy") for (;;);
if (state === "stopped") process.kill(process.pid, "SIGSTOP");
setInterval(() => {}, 1000);
