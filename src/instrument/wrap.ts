/**
 * Wraps functions so that the program does not notice: `this`, arguments, result,
 * name, length and properties stay, what is thrown is not touched, and the stack
 * traces that Bun prints do not show the wrapper. Used by the instruments beside this
 * file, in the traced thread.
 *
 * Bun leaves frames of functions in "bun:wrap", its own helpers' file, out of the
 * errors that it prints. So the wrappers are made from source that says it is there;
 * `error.stack` read by the program has one line more.
 */

/** Any function. */
export type Callable = (this: unknown, ...args: unknown[]) => unknown;

/** What happens around a call. What these throw is swallowed: an instrument must not break the program. */
export interface Around<T> {
  /** @returns a token for the calls below; undefined: this call is not traced. May change `args`. */
  before(self: unknown, args: unknown[]): T | undefined;
  /** When the function is left. With what it threw cannot be told: see {@link SOURCE}. */
  left(token: T, threw: boolean): void;
  /** After `left`, where nothing was thrown. @returns what the caller gets. */
  returned(token: T, result: unknown): unknown;
}

/** What happens around the walk through an iterator that a function returns. */
export interface AroundRows<T> {
  /** At the first step. */
  before(self: unknown): T | undefined;
  /** At the end, also an early one; `rows` were handed out. */
  left(token: T, threw: boolean, rows: number): void;
}

interface Wrappers {
  call<T>(original: Callable, around: Around<T>): Callable;
  rows<T>(original: Callable, around: AroundRows<T>): Callable;
}

/**
 * Wrappers of one name: Bun shows a function by the name in its source. No `catch`:
 * Bun reports an uncaught error with the place where it was thrown last, and that
 * would be here.
 */
const SOURCE = (name: string): string => `"use strict";
const quietly = (run) => { try { return run(); } catch { return undefined; } };
return {
  call: (original, around) => ({ ${name}(...args) {
    const token = quietly(() => around.before(this, args));
    if (token === undefined) return original.apply(this, args);
    let result, threw = true;
    try { result = original.apply(this, args); threw = false; }
    finally { quietly(() => around.left(token, threw)); }
    try { return around.returned(token, result); } catch { return result; }
  } })[${name}],
  rows(original, around) {
    function* walk(rows, self) {
      const token = quietly(() => around.before(self));
      let count = 0, threw = true;
      try {
        for (const row of rows) { count++; threw = false; yield row; threw = true; }
        threw = false;
      }
      finally { if (token !== undefined) quietly(() => around.left(token, threw, count)); }
    }
    return { ${name}(...args) { return walk(original.apply(this, args), this); } }[${name}];
  },
};
//# sourceURL=bun:wrap`;

const made = new Map<string, Wrappers>();

function wrappers({ name }: Callable): Wrappers {
  // `[Symbol.iterator]` stands for no name in the source.
  const text = JSON.stringify(name.startsWith("[") ? "" : name);
  let found = made.get(text);
  if (!found) made.set(text, (found = new Function(SOURCE(text))() as Wrappers));
  return found;
}

/**
 * Gives a wrapper the original's name, length and properties.
 * @param instead what some of the properties are instead.
 */
export function disguise(
  wrapper: Callable,
  original: Callable,
  instead: PropertyDescriptorMap = {},
): Callable {
  return Object.defineProperties(wrapper, { ...Object.getOwnPropertyDescriptors(original), ...instead });
}

/** Wraps a function that programs see, but for its {@link disguise}. */
export function wrapBare<T>(original: Callable, around: Around<T>): Callable {
  return wrappers(original).call(original, around);
}

/** Wraps a function that programs see. */
export function wrap<T>(original: Callable, around: Around<T>): Callable {
  return disguise(wrapBare(original, around), original);
}

/** As {@link wrap}, for a function that returns an iterator. */
export function wrapRows<T>(original: Callable, around: AroundRows<T>): Callable {
  return disguise(wrappers(original).rows(original, around), original);
}

function handler(): void {}

/** Wraps a function of the program's that Bun calls, and nobody sees: one source does for all names. */
export function wrapHandler<T>(original: Callable, around: Around<T>): Callable {
  return disguise(wrappers(handler).call(original, around), original);
}

/** Whether a value is a function. */
export function isCallable(value: unknown): value is Callable {
  return typeof value === "function";
}

/**
 * Options as Bun reads them, a property at a time, some of them others. The program's
 * object stays as it is: it may be frozen, or have getters that want it as their `this`.
 * @param instead what Bun finds for a property.
 */
export function readThrough(
  options: object,
  instead: (name: PropertyKey, value: unknown) => unknown,
): object {
  return new Proxy(
    {},
    {
      has: (_, name) => Reflect.has(options, name),
      get: (_, name) => instead(name, Reflect.get(options, name)),
    },
  );
}

/** Puts a wrapper in a method's place, with the same attributes; does nothing where there is no such method. */
export function replace(object: object, key: PropertyKey, wrapped: (original: Callable) => Callable): void {
  const descriptor = Object.getOwnPropertyDescriptor(object, key);
  if (!isCallable(descriptor?.value) || descriptor.writable !== true) return;
  Object.defineProperty(object, key, { ...descriptor, value: wrapped(descriptor.value) });
}
