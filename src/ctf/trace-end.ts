// How a trace ends, where it tells: buntrace's do, in the `env` block of their metadata (shim/clock.h). Called by what
// reads a trace to its end.
import { constants } from "node:os";

import { toNanoseconds } from "./time.ts";
import type { TraceClass } from "./types.ts";

/**
 * How far the trace goes: longer than to its last event, when nothing was emitted any more.
 * @returns nanoseconds since the Unix epoch; undefined where the trace does not tell.
 */
export function completeUntil({ environment, clocks }: TraceClass): bigint | undefined {
  const value = environment.get("complete_until");
  const [clock] = clocks;
  return clock === undefined || typeof value !== "bigint" || value <= 0n
    ? undefined
    : toNanoseconds(clock, value);
}

/** Name of the signal that killed the program; undefined where none did, or the trace does not tell. */
export function killedBy({ environment }: TraceClass): string | undefined {
  const number = environment.get("killed_by");
  if (typeof number !== "bigint" || number <= 0n) return undefined;
  const names = Object.entries(constants.signals);
  return names.find(([, value]) => BigInt(value) === number)?.[0] ?? `signal ${number}`;
}
