/**
 * Values that a program can pass to a tracepoint by mistake or by malice, to be
 * made anew for each use. Runs in the test process.
 */

/** Something thrown; not an Error, so that nothing else throws it. */
const thrown = { thrown: true };

function throws(): never {
  throw thrown;
}

const everyTrap: ProxyHandler<object> = Object.fromEntries(
  Object.getOwnPropertyNames(Reflect).map((trap) => [trap, throws]),
);

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function detached<T extends { buffer: ArrayBufferLike }>(array: T): T {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}

/** A typed array whose overridden length says more than it has. */
class Boastful extends Uint8Array {
  override get length(): number {
    return 1000;
  }
  override get [Symbol.toStringTag](): "Uint8Array" {
    return throws();
  }
}

/** A typed array whose length is nobody's to ask. */
class Secretive extends Float64Array {
  override get length(): number {
    return throws();
  }
}

class Shrunk {
  static make(): Uint8Array {
    const buffer = new ArrayBuffer(16, { maxByteLength: 64 });
    const array = new Uint8Array(buffer, 8, 8);
    buffer.resize(4);
    return array;
  }
}

/** By name. */
export const HOSTILE: Readonly<Record<string, () => unknown>> = {
  nothing: () => undefined,
  null: () => null,
  symbol: () => Symbol("s"),
  bigint: () => 5n,
  "huge bigint": () => 2n ** 5000n,
  "number as text": () => "12",
  text: () => "some text",
  boolean: () => true,
  NaN: () => NaN,
  function: () => throws,
  object: () => ({}),
  "object without prototype": () => Object.create(null) as unknown,
  "invalid date": () => new Date(NaN),
  "valueOf that throws": () => ({ valueOf: throws, toString: throws }),
  "toPrimitive that throws": () => ({ [Symbol.toPrimitive]: throws }),
  "toPrimitive that gives a symbol": () => ({ [Symbol.toPrimitive]: () => Symbol("s") }),
  "toPrimitive that gives an object": () => ({ [Symbol.toPrimitive]: () => ({}) }),
  "proxy of everything": () => new Proxy({}, everyTrap),
  "proxy of a typed array": () => new Proxy(new Uint8Array(4), {}),
  "proxy of a function": () => new Proxy(() => {}, everyTrap),
  "revoked proxy": revoked,
  "length that throws": () => Object.defineProperty({}, "length", { get: throws }),
  "element that throws": () => Object.defineProperty({ length: 3 }, 1, { get: throws }),
  "length without end": () => ({ length: Infinity }),
  "length below zero": () => ({ length: -5 }),
  "length that is a symbol": () => ({ length: Symbol("s") }),
  "array of symbols": () => [Symbol("a"), 1],
  "array of mixed": () => [1n, 2, "3", null, undefined, {}, [], NaN],
  "array with holes": () => Array.from({ length: 4 }),
  "nested array": () => [[[1]]],
  "array of proxies": () => [revoked(), 1],
  "detached array": () => detached(new Uint8Array(8)),
  "detached floats": () => detached(new Float64Array(8)),
  "detached buffer": () => detached(new Uint8Array(8)).buffer,
  "array out of its buffer's bounds": () => Shrunk.make(),
  "shared memory": () => new Uint8Array(new SharedArrayBuffer(4)),
  "shared buffer": () => new SharedArrayBuffer(4),
  "boastful subclass": () => new Boastful(3),
  "subclass with a length that throws": () => new Secretive(3),
  "other element type": () => new Float32Array([1.5, NaN, -1]),
  "big element type": () => new BigInt64Array([1n, -1n]),
  dataview: () => new DataView(new ArrayBuffer(8)),
  "boxed text": () => Object("boxed") as unknown,
  "boxed symbol": () => Object(Symbol("boxed")) as unknown,
  regexp: () => /x/,
  "weak map": () => new WeakMap(),
  "text of two units": () => "\ud800",
  "global object": () => globalThis,
};
