/**
 * What the events of programs/numbered.ts are, on both sides: the program that
 * emits them and the test that reads them.
 */
import type { TraceEvent } from "../support/babeltrace.ts";

/** Fields of all its types. */
export const NUMBERED_TYPES = [
  ["n", "u32"],
  ["text", "string"],
  ["list", "u16[]"],
  ["real", "f64"],
] as const;

/** The type of event n: now and then a new one; ids beyond 31 need the extended header. */
export function typeOf(n: number): string {
  return n % 500 === 499 ? `late_${Math.floor(n / 500)}` : `type_${n % 3}`;
}

/** The payload of event n, its float of few digits: mostly short, now and then half a small sub-buffer. */
export function payloadOf(n: number): { text: string; list: number[]; real: number } {
  const length = n % 97 === 96 ? 1500 : 1 + (n % 23);
  return {
    text: String(n % 10).repeat(length),
    list: Array.from({ length: n % 5 }, (_, i) => (n + i) % 65536),
    real: (n % 1000) / 8,
  };
}

/**
 * Fails unless the events are numbers 0, 1, 2 .. without a gap, each whole.
 * @returns how many there are.
 */
export function checkNumbered(events: readonly TraceEvent[]): number {
  for (const [n, { name, fields }] of events.entries()) {
    const { text, list, real } = payloadOf(n);
    if (name !== `test:${typeOf(n)}` || !Bun.deepEquals(fields, { n, text, list, real }))
      throw new Error(`at place ${n}: ${name} ${JSON.stringify(fields).slice(0, 300)}`);
  }
  return events.length;
}
