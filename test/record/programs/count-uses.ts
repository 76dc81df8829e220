/**
 * Counts uses of what the engine makes when it is first used, and is slow to make. Loaded by start.test.ts before the
 * library.
 */
const counts: Record<string, number> = {};

function count(name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function countCalls(object: object, key: string | symbol, name: string): void {
  const original: unknown = Reflect.get(object, key);
  if (typeof original !== "function") throw new Error(`${name} is no function`);
  const counted = function (this: unknown, ...args: unknown[]): unknown {
    count(name);
    return Reflect.apply(original, this, args);
  };
  if (!Reflect.set(object, key, counted)) throw new Error(`${name} cannot be replaced`);
}

countCalls(Array.prototype, "map", "Array.map");
countCalls(Array.prototype, "flatMap", "Array.flatMap");
countCalls(Buffer, "from", "Buffer.from");
countCalls(RegExp.prototype, "exec", "RegExp");
countCalls(RegExp.prototype, "test", "RegExp");
countCalls(RegExp.prototype, Symbol.replace, "RegExp");
countCalls(Crypto.prototype, "getRandomValues", "getRandomValues");

// What only commands and snapshots call is not linked into every program.
const ffi = Reflect.get(Bun, "FFI") as { dlopen: (path: string, symbols: object) => unknown };
const { dlopen } = ffi;
ffi.dlopen = (path, symbols) => {
  for (const name in symbols) if (name === "bt_create" || name === "bt_snapshot") count(name);
  return dlopen(path, symbols);
};

// A class is made when it is looked up.
const original = BigInt64Array;
Object.defineProperty(globalThis, "BigInt64Array", {
  get() {
    count("BigInt64Array");
    return original;
  },
});

Reflect.set(globalThis, "usesOfTheStart", counts);
