/**
 * Spans: a begin event and an end event around a piece of work, tied by an id
 * that is unique in its thread, with the id of the span around it. Called by
 * programs and by src/instrument, in any JavaScript thread.
 */
import type { AsyncLocalStorage } from "node:async_hooks";

import { type Field, type FieldType, isArrayType, layoutEnum } from "../ctf/fields.ts";
import { defineEvent, thread } from "./thread.ts";
import type { ValuesOf } from "./tracepoint.ts";

/** Traces a piece of work from its begin to its end. `F`: its own fields, `E`: those of its end. */
export interface Span<F extends readonly Field[], E extends readonly Field[] = readonly []> {
  /** `provider:span`; its events are `<name>_begin` and `<name>_end`. */
  readonly name: string;
  /** Whether a span begun now would be recorded. */
  readonly enabled: boolean;
  /** For synchronous work: `using _ = span.enter(...)`. Spans entered inside become its children. */
  enter(...values: ValuesOf<F>): Disposable;
  /** Begins a span by hand. @returns its id, for `run` and `end`; 0 when it is not recorded. */
  begin(...values: ValuesOf<F>): number;
  /** Runs `work` inside a span begun by hand: what it does, also later, becomes the span's children. */
  run<R>(id: number, work: () => R): R;
  /**
   * Ends a span begun by hand.
   * @param values of the end's own fields; zeros and empty strings when none are given.
   */
  end(id: number, failed?: boolean, ...values: ValuesOf<E> | []): void;
  /**
   * Runs `work` as a span, to the end of the promise if it returns one. What it
   * does, also later in callbacks and after awaits, becomes its children.
   * @returns what `work` returns (for a promise, one that settles alike); what it
   *   throws is thrown on, the span marked as failed.
   */
  trace<R>(work: () => R, ...values: ValuesOf<F>): R;
}

/**
 * The span around, across awaits. Made when the first span is traced, since
 * node:async_hooks takes milliseconds to load; one a thread, so that the spans of
 * two copies of the library find each other.
 */
export function spansAround(): AsyncLocalStorage<number> {
  return (thread.spans ??= makeStorage());
}

function makeStorage(): AsyncLocalStorage<number> {
  const { AsyncLocalStorage } = require("node:async_hooks") as typeof import("node:async_hooks");
  return new AsyncLocalStorage();
}

function parentSpan(): number {
  return thread.currentSpan || (thread.spans?.getStore() ?? 0);
}

/** 32 bits, never 0: four billion spans until an id comes again. */
function nextSpan(): number {
  thread.lastSpan = (thread.lastSpan + 1) >>> 0 || 1;
  return thread.lastSpan;
}

const NOT_RECORDED: Disposable = { [Symbol.dispose]() {} };

/** Fields before the program's own. */
const BEGIN_FIELDS = [
  ["span_id", "u32"],
  ["parent_id", "u32"],
] as const;
const END_FIELDS = [
  ["span_id", "u32"],
  ["failed", "bool"],
] as const;

/** The fields of a span's begin event. */
export function spanFields(own: readonly Field[]): readonly Field[] {
  return Array.isArray(own) ? [...BEGIN_FIELDS, ...own] : own;
}

/** The fields of a span's end event. */
export function spanEndFields(own: readonly Field[]): readonly Field[] {
  return Array.isArray(own) ? [...END_FIELDS, ...own] : own;
}

/** What a field of the end holds where nobody said: at the end of \`enter\` and \`trace\`. */
function zeroOf(type: FieldType): unknown {
  if (type === "string") return "";
  if (type === "u64" || type === "i64") return 0n;
  if (type === "bytes" || isArrayType(type)) return new Uint8Array();
  if (typeof type === "object") return layoutEnum(type.enum).unknown;
  return 0;
}

/** Subclasses (a lazy query, say) may start work when `then` is called: left alone. */
export function isPlainPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Promise && Object.getPrototypeOf(value) === Promise.prototype;
}

/** Defines a span's two event types and its face. */
export function defineSpan<F extends readonly Field[], E extends readonly Field[]>(
  name: string,
  fields: F,
  endFields: E,
  level: number,
): Span<F, E> {
  const { writer: begin } = defineEvent(`${name}_begin`, level, "span_begin", spanFields(fields));
  const { writer: end } = defineEvent(`${name}_end`, level, "span_end", spanEndFields(endFields));
  const zeros = endFields.map(([, type]) => zeroOf(type));

  class Entered implements Disposable {
    constructor(
      readonly id: number,
      readonly outer: number,
    ) {}
    [Symbol.dispose](): void {
      thread.currentSpan = this.outer;
      end.emit(this.id, false, ...zeros);
    }
  }

  function start(values: readonly unknown[]): number {
    const id = nextSpan();
    begin.emit(id, parentSpan(), ...values);
    return id;
  }

  function run<R>(id: number, work: () => R): R {
    if (id === 0) return work();
    const outer = thread.currentSpan;
    // Inside `work` the span around is found in the storage: it also holds after an await.
    thread.currentSpan = 0;
    try {
      return spansAround().run(id, work);
    } finally {
      thread.currentSpan = outer;
    }
  }

  function trace<R>(work: () => R, ...values: ValuesOf<F>): R {
    if (!begin.enabled()) return work();
    const id = start(values);
    let result: R;
    let thrown = true;
    // No catch: what is thrown again would be reported as if it came from here.
    try {
      result = run(id, work);
      thrown = false;
    } finally {
      if (thrown) end.emit(id, true, ...zeros);
    }
    if (isPlainPromise(result)) return settled(result, id) as R;
    end.emit(id, false, ...zeros);
    return result;
  }

  /** Passes the outcome on: a handler on the promise itself would hide a rejection that nobody handles. */
  function settled(promise: Promise<unknown>, id: number): Promise<unknown> {
    return promise.then(
      (value) => {
        end.emit(id, false, ...zeros);
        return value;
      },
      (error: unknown) => {
        end.emit(id, true, ...zeros);
        throw error;
      },
    );
  }

  return {
    name,
    get enabled() {
      return begin.enabled();
    },
    enter(...values) {
      if (!begin.enabled()) return NOT_RECORDED;
      const outer = thread.currentSpan;
      const id = start(values);
      thread.currentSpan = id;
      return new Entered(id, outer);
    },
    begin: (...values) => (begin.enabled() ? start(values) : 0),
    run,
    end: (id, failed = false, ...values) => {
      if (id !== 0) end.emit(id, failed, ...(values.length === 0 ? zeros : values));
    },
    trace,
  };
}
