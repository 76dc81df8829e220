// Counts of what an export wrote and left out, for the command's last line. Used by the formats of spans.
import type { Outcome } from "./source.ts";

/** Counted by the formats as they write. */
export class Counts {
  spans = 0;
  /** Spans whose ends are not in the trace. */
  unfinished = 0;
  events = 0;
  counters = 0;
  /** Marks of discarded events and lost packets. */
  losses = 0;
  /** Values of counters that are not finite, where a format must have finite ones. */
  noNumbers = 0;

  /**
   * @param untimed events without a time
   * @param leftOut what else was left out
   */
  outcome(untimed: number, leftOut: Outcome["leftOut"] = {}): Outcome {
    return {
      written: {
        span: this.spans,
        "unfinished span": this.unfinished,
        event: this.events,
        "counter value": this.counters,
        "loss mark": this.losses,
      },
      leftOut: {
        ...leftOut,
        "counter value without a number": this.noNumbers,
        "event without a time": untimed,
      },
    };
  }
}
