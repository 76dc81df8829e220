// Converts clock values to nanoseconds since the Unix epoch, as babeltrace2 does, to the nanosecond: cycles are converted
// in double precision and rounded down, and the clock's offset is converted apart and added (measured against 2.0.4).
//
// Nanoseconds since 1970 do not fit a double, so batches of events keep them as doubles after a base, a bigint. A scan
// computes that difference from the clock's value in two steps that are both exact; see Conversion.
import type { Clock } from "./types.ts";

const NANOSECONDS_A_SECOND = 1_000_000_000n;
const UINT64_MAX = 0xffff_ffff_ffff_ffffn;

/** Nanoseconds of so many cycles. */
function nanosecondsOf(cycles: bigint, frequency: bigint): bigint {
  if (frequency === NANOSECONDS_A_SECOND) return cycles;
  const nanoseconds = Math.floor((1e9 * Number(cycles)) / Number(frequency));
  return nanoseconds >= 2 ** 64 ? UINT64_MAX : BigInt(nanoseconds);
}

/** Nanoseconds from the Unix epoch to a clock's zero. */
function originOf(clock: Clock): bigint {
  return clock.offsetSeconds * NANOSECONDS_A_SECOND + nanosecondsOf(clock.offsetCycles, clock.frequency);
}

/**
 * Nanoseconds since the Unix epoch of a clock's value.
 *
 * @param value cycles, 0 to 2^64 - 1
 */
export function toNanoseconds(clock: Clock, value: bigint): bigint {
  return originOf(clock) + nanosecondsOf(value, clock.frequency);
}

/**
 * What a scan subtracts from a clock's value to get nanoseconds after a base.
 *
 * At 1 GHz, value and difference are integers: their 64-bit difference is exact where that of the doubles nearby says
 * that they are near. Otherwise the converted value is a double with an integer in it, and the difference a double plus a
 * small rest: subtracting the double first is exact, since the result is less than 2^53.
 */
export interface Conversion {
  readonly timeDifference: bigint;
  readonly timeMain: number;
  readonly timeRest: number;
}

/** The conversion of a clock's values to nanoseconds after `base` (since the Unix epoch). */
export function conversion(clock: Clock, base: bigint): Conversion {
  const timeDifference = base - originOf(clock);
  const timeMain = Number(timeDifference);
  return { timeDifference, timeMain, timeRest: Number(timeDifference - BigInt(timeMain)) };
}
