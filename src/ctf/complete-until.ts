// How far a trace goes where it tells: longer than to its last event, when nothing was emitted any more. Buntrace's traces
// do, in `complete_until` of their `env` block (shim/clock.h). Called by what reads a trace to its end.
import { toNanoseconds } from "./time.ts";
import type { TraceClass } from "./types.ts";

/** Nanoseconds since the Unix epoch; undefined where the trace does not tell. */
export function completeUntil({ environment, clocks }: TraceClass): bigint | undefined {
  const value = environment.get("complete_until");
  const [clock] = clocks;
  return clock === undefined || typeof value !== "bigint" || value <= 0n
    ? undefined
    : toNanoseconds(clock, value);
}
