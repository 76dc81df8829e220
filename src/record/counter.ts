/**
 * Counters: a number over time, an event a change. Called by programs, in any
 * JavaScript thread; each thread has its own value.
 */
import type { CounterType } from "./tracepoint.ts";
import { defineEvent } from "./thread.ts";
import { face } from "./tracepoint.ts";

/** Records a number that changes over time. */
export interface Counter {
  /** Sets the value and records it. */
  (value: number): void;
  readonly name: string;
  /** Whether a value set now would be recorded. */
  readonly enabled: boolean;
  /** Adds to this thread's value (1 when not said) and records the sum. */
  add(by?: number): void;
}

/** Defines a counter's event type and its face. */
export function defineCounter(name: string, type: CounterType, level: number): Counter {
  const { writer } = defineEvent(name, level, "counter", [["value", type]]);
  let current = 0;
  const set = (value: number): void => {
    current = value;
    writer.emit(value);
  };
  return face<Counter>(set as (...values: unknown[]) => unknown, name, {
    enabled: { get: writer.enabled },
    add: {
      value: (by = 1): void => {
        set(current + by);
      },
    },
  });
}
