/**
 * A handler of the program's that Bun calls, and what comes of it, inside a span. Used by
 * the instruments of servers, in the thread that serves.
 */
import { isPlainPromise, spansAround } from "../record/span.ts";
import { thread } from "../record/thread.ts";

/** A span while its handler runs. */
export interface Inside {
  /** The span's. */
  readonly id: number;
  /** What was around before, for after; set by {@link enter}. */
  span: number;
  spans: number | undefined;
}

/**
 * What runs from here on, also later, is inside the span. Not by `run` of the span: its
 * frame would show in the errors of handlers.
 */
export function enter<I extends Inside>(inside: I): I {
  const storage = spansAround();
  inside.span = thread.currentSpan;
  inside.spans = storage.getStore();
  thread.currentSpan = 0;
  storage.enterWith(inside.id);
  return inside;
}

/** What runs from here on is where it was before. */
export function leave({ span, spans }: Inside): void {
  thread.currentSpan = span;
  // Zero is no span.
  spansAround().enterWith(spans ?? 0);
}

/**
 * Waits for a handler's promise, if it is one.
 * @returns what Bun gets. A promise that is settled stays the one it is, so that
 *   Bun answers as soon as it would; it does not count as handled by being looked at.
 */
export function settled(
  result: unknown,
  done: (value: unknown) => void,
  failed: (error: unknown) => void,
): unknown {
  if (!isPlainPromise(result)) {
    done(result);
    return result;
  }
  const state = Bun.peek.status(result);
  if (state === "fulfilled") done(Bun.peek(result));
  else if (state === "rejected") failed(Bun.peek(result));
  else
    return result.then(
      (value) => {
        done(value);
        return value;
      },
      (error: unknown) => {
        failed(error);
        throw error;
      },
    );
  return result;
}
