/**
 * The system's real time to the nanosecond, which JavaScript has not: libc's
 * clock_gettime. Runs in emitting programs.
 */
import { dlopen } from "bun:ffi";

const libc = dlopen("libc.so.6", {
  clock_gettime: { args: ["i32", "buffer"], returns: "i32" },
}).symbols;

const CLOCK_REALTIME = 0;
const timespec = new BigInt64Array(2);

/** Nanoseconds since 1970. */
export function realtimeNs(): bigint {
  libc.clock_gettime(CLOCK_REALTIME, timespec);
  return (timespec[0] ?? 0n) * 1_000_000_000n + (timespec[1] ?? 0n);
}
