/**
 * Wraps functions so that the program does not notice: `this`, arguments, result,
 * name, length and properties stay, and Bun's printed stack traces do not show the
 * wrapper. Used by the instruments beside this file, in the traced thread.
 *
 * Bun leaves frames of functions in "bun:wrap", its own helpers' file, out of the
 * errors that it prints. So the wrappers are made from source with that name;
 * only `error.stack` read by the program has one line more. They live in strict
 * mode, where the calls that need nothing afterwards leave no frame at all.
 */

/** Any function. */
export type Callable = (this: unknown, ...args: unknown[]) => unknown;

/** What happens around a call. What these throw is swallowed: an instrument must not break the program. */
export interface Around<T> {
  /** @returns a token for the calls below; undefined: this call is not traced. May change `args`. */
  before(self: unknown, args: unknown[]): T | undefined;
  /** @returns what the caller gets. */
  returned(token: T, result: unknown): unknown;
}

/** Around a built-in function. */
export interface AroundNative<T> extends Around<T> {
  thrown(token: T, error: unknown): void;
}

/** Around a function of the program's. */
export interface AroundOwn<T> extends Around<T> {
  /** When the function is left, before `returned`. */
  left(token: T, threw: boolean): void;
}

/** Around the walk through an iterator that a built-in function returns. */
export interface AroundRows<T> {
  /** At the first step. */
  before(self: unknown): T | undefined;
  /** At the end, also an early one; `rows` were handed out. */
  ended(token: T, rows: number, error: { readonly error: unknown } | undefined): void;
}

interface Wrappers {
  native<T>(original: Callable, around: AroundNative<T>): Callable;
  own<T>(original: Callable, around: AroundOwn<T>): Callable;
  rows<T>(original: Callable, around: AroundRows<T>): Callable;
}

/**
 * What a program's function throws must not be caught and thrown again: Bun reports
 * an uncaught error with the place of the last throw. Built-in functions have no
 * place of their own.
 */
const SOURCE = `"use strict";
const quietly = (run, otherwise) => { try { return run(); } catch { return otherwise; } };
const before = (around, self, args) => { try { return around.before(self, args); } catch { return undefined; } };
const returned = (around, token, result) => { try { return around.returned(token, result); } catch { return result; } };
return {
  native: (original, around) => ({ buntrace(...args) {
    const token = before(around, this, args);
    if (token === undefined) return original.apply(this, args);
    let result;
    try { result = original.apply(this, args); }
    catch (error) { quietly(() => around.thrown(token, error)); throw error; }
    return returned(around, token, result);
  } }).buntrace,
  own: (original, around) => ({ buntrace(...args) {
    const token = before(around, this, args);
    if (token === undefined) return original.apply(this, args);
    let result, threw = true;
    try { result = original.apply(this, args); threw = false; }
    finally { quietly(() => around.left(token, threw)); }
    return returned(around, token, result);
  } }).buntrace,
  rows(original, around) {
    function* walk(rows, self) {
      const token = before(around, self);
      let count = 0, failure;
      try { for (const row of rows) { count++; yield row; } }
      catch (error) { failure = { error }; throw error; }
      finally { if (token !== undefined) quietly(() => around.ended(token, count, failure)); }
    }
    return { buntrace(...args) { return walk(original.apply(this, args), this); } }.buntrace;
  },
};
//# sourceURL=bun:wrap`;

let made: Wrappers | undefined;

function wrappers(): Wrappers {
  return (made ??= new Function(SOURCE)() as Wrappers);
}

/** Gives the wrapper the original's name, length and properties, but those the caller sees to. */
function disguise(wrapper: Callable, original: Callable, except: readonly string[] = []): Callable {
  const descriptors = Object.getOwnPropertyDescriptors(original);
  for (const name of except) Reflect.deleteProperty(descriptors, name);
  return Object.defineProperties(wrapper, descriptors);
}

/** Wraps a built-in function. */
export function wrapNative<T>(original: Callable, around: AroundNative<T>): Callable {
  return disguise(wrappers().native(original, around), original);
}

/** Wraps a function of the program's. `except`: names of properties that the wrapper does not get. */
export function wrapOwn<T>(original: Callable, around: AroundOwn<T>, except?: readonly string[]): Callable {
  return disguise(wrappers().own(original, around), original, except);
}

/** Wraps a built-in function that returns an iterator. */
export function wrapRows<T>(original: Callable, around: AroundRows<T>): Callable {
  return disguise(wrappers().rows(original, around), original);
}

/** Whether a value is a function. */
export function isCallable(value: unknown): value is Callable {
  return typeof value === "function";
}

/** Puts a wrapper in a method's place, with the same attributes; does nothing where there is no such method. */
export function replace(object: object, key: PropertyKey, wrap: (original: Callable) => Callable): void {
  const descriptor = Object.getOwnPropertyDescriptor(object, key);
  if (!isCallable(descriptor?.value) || descriptor.writable !== true) return;
  Object.defineProperty(object, key, { ...descriptor, value: wrap(descriptor.value) });
}
