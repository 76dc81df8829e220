/**
 * Emits numbered events and ends in the way that it is told. Started by tests, under
 * the recorder: `endings.ts WAY COUNT`.
 */
import { dlopen, type Pointer, read } from "bun:ffi";

import { provider } from "../../../src/index.ts";

const [way = "", count = "0"] = process.argv.slice(2);
const event = provider("test").tracepoint("event", [
  ["n", "u32"],
  ["text", "string"],
]);
let n = 0;
function emit(): void {
  event(n, `event ${n}`);
  n++;
}

/** Sends a signal to this process as the kernel or an operator would, without Bun's help. */
function killSelf(signal: string): void {
  process.kill(process.pid, signal);
  // A signal may take until the next system call to arrive.
  Bun.sleepSync(10_000);
}

const ways: Record<string, () => unknown> = {
  "natural end": () => {},
  "natural end, later": () => setTimeout(emit, 5),
  "process.exit": () => process.exit(3),
  "process.exit in a callback": () => setTimeout(() => process.exit(3), 1),
  "process.reallyExit": () => (process as unknown as { reallyExit(status: number): void }).reallyExit(3),
  "exit handler": () => process.on("exit", emit),
  "uncaught error": () => {
    throw new Error("nobody catches this");
  },
  "unhandled rejection": () => Promise.reject(new Error("nobody handles this")),
  SIGTERM: () => killSelf("SIGTERM"),
  SIGINT: () => killSelf("SIGINT"),
  SIGHUP: () => killSelf("SIGHUP"),
  SIGQUIT: () => killSelf("SIGQUIT"),
  SIGKILL: () => killSelf("SIGKILL"),
  SIGSEGV: () => killSelf("SIGSEGV"),
  "process.abort": () => process.abort(),
  segfault: () => read.u8(8 as Pointer, 0),
  "abort in native code": () => dlopen("libc.so.6", { abort: { args: [], returns: "void" } }).symbols.abort(),
};
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
  ways[`${signal} handled`] = () => {
    process.on(signal, () => {
      emit();
      process.exit(3);
    });
    process.kill(process.pid, signal);
    setTimeout(() => {}, 10_000);
  };

for (let i = 0; i < Number(count); i++) emit();
ways[way]?.();
