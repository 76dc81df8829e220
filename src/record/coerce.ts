/**
 * Turns whatever a program passes to a tracepoint into what its field can hold.
 * Called by generated writers, in the emitting thread, before the first byte of
 * the record is stored: a `valueOf` that emits an event of its own, or throws,
 * finds nothing half done. Nothing here throws.
 */
import { MAX_BYTES, type NumberType } from "../ctf/fields.ts";

declare global {
  interface Buffer {
    /** Node's and Bun's own, which their types leave out; `write` takes twice as long to find its way to it. */
    utf8Write(text: string, at: number, most: number): number;
  }
}

/** Characters up to which {@link storeShort} is the faster way. */
const SHORT_TEXT = 24;

/**
 * Elements up to which a loop stores an array sooner than one copy does: 16 bytes take 5 ns, 32 13, a call of `set` 10;
 * 64 elements of 8 bytes 26, 128 51, a view of them and the call 40.
 */
export const SHORT_ARRAY = { bytes: 24, wider: 100 } as const;

/** Told of every value that could not be had as it was. */
export type Altered = () => void;

/** A number for a numeric field; 0 for what cannot be one. */
export function toNumber(value: unknown, altered: Altered): number {
  try {
    return Number(value);
  } catch {
    altered();
    return 0;
  }
}

/** A bigint for a 64-bit field; fractions are cut off, 0n for what cannot be one. */
export function toBigInt(value: unknown, altered: Altered): bigint {
  try {
    return typeof value === "number" ? BigInt(Math.trunc(value)) : BigInt(value as string);
  } catch {
    altered();
    return 0n;
  }
}

/** Text for a string field; empty for what has none. */
export function toText(value: unknown, altered: Altered): string {
  try {
    return String(value);
  } catch {
    altered();
    return "";
  }
}

/**
 * Stores a short text at `at`, character by character: up to some 24 characters that is sooner done than a call of
 * `utf8Write` (4 characters 3 ns, 20 10; the call 12 and the search for NULs 4).
 * @returns its bytes, or -1 for what is long, or has a NUL, or is not ASCII; some bytes may be stored then.
 */
export function storeShort(bytes: Uint8Array, text: string, at: number): number {
  const length = text.length;
  if (length > SHORT_TEXT) return -1;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    // One comparison for both: 0 becomes the largest.
    if ((code - 1) >>> 0 > 126) return -1;
    bytes[at + i] = code;
  }
  return length;
}

/**
 * Stores any text at `at`, cut to the limit. A string in a trace ends at its first NUL: those inside are shown as
 * U+2400. Both are counted.
 * @returns its bytes.
 */
export function storeText(bytes: Buffer, text: string, at: number, altered: Altered): number {
  if (text.includes("\0")) {
    altered();
    text = text.replaceAll("\0", "\u2400");
  }
  const length = bytes.utf8Write(text, at, MAX_BYTES);
  // utf8Write stops before a character that does not fit whole.
  if (length > MAX_BYTES - 4 && Buffer.byteLength(text) > length) altered();
  return length;
}

/** The number of an enumeration's label or number. */
export function toEnum(
  value: unknown,
  numbers: ReadonlyMap<string, number>,
  unknown: number,
  altered: Altered,
): number {
  if (typeof value === "number") return value;
  const number = numbers.get(toText(value, altered));
  if (number !== undefined) return number;
  altered();
  return unknown;
}

/** A property of the object given to `record`. */
export function read(values: unknown, name: string, altered: Altered): unknown {
  try {
    return (values as Record<string, unknown>)[name];
  } catch {
    altered();
    return undefined;
  }
}

/** What writers of array fields need. */
interface ForArrays {
  /**
   * A typed array of the field's type, with at most `most` elements to read: the
   * program's own where it is one, else a converted copy.
   */
  readonly toArray: (value: unknown, type: NumberType, most: number, altered: Altered) => Numbers;
  /** How many elements of the array go into the record. */
  readonly cutLength: (array: Numbers, most: number, altered: Altered) => number;
  /** Stores the first `length` elements of `size` bytes at `at` in one copy: as they are in memory, so not those of a `u53`. */
  readonly storeArray: (bytes: Uint8Array, array: Numbers, at: number, length: number, size: number) => void;
}

let madeForArrays: ForArrays | undefined;

/** Made when the first writer needs it: the engine takes 0.1 ms to make all these classes. */
export function forArrays(): ForArrays {
  return (madeForArrays ??= makeForArrays());
}

function constructors() {
  return {
    u8: Uint8Array,
    u16: Uint16Array,
    u32: Uint32Array,
    u53: Float64Array,
    u64: BigUint64Array,
    i8: Int8Array,
    i16: Int16Array,
    i32: Int32Array,
    i64: BigInt64Array,
    f32: Float32Array,
    f64: Float64Array,
  } as const;
}

/** A typed array of any numeric field type. */
type Numbers = InstanceType<ReturnType<typeof constructors>[NumberType]>;

/** A built-in getter, out of reach of subclasses and proxies. */
function getter(prototype: object, key: PropertyKey): (of: unknown) => unknown {
  const get = Object.getOwnPropertyDescriptor(prototype, key)?.get;
  if (!get) throw new Error(`no built-in getter ${String(key)}`);
  return (of) => get.call(of);
}

function makeForArrays(): ForArrays {
  const all = constructors();
  const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
  const tagOf = getter(typedArray, Symbol.toStringTag);
  const lengthOf = getter(typedArray, "length");
  const bufferOf = getter(typedArray, "buffer");
  const offsetOf = getter(typedArray, "byteOffset");
  return {
    toArray(value, type, most, altered) {
      const Constructor = all[type];
      const tag = tagOf(value);
      if (tag === Constructor.name) return value as Numbers;
      try {
        // A proxy's traps and a detached buffer throw here.
        if (type === "u8" && value instanceof ArrayBuffer) return new Uint8Array(value);
        const list = value as ArrayLike<unknown>;
        const length = Math.min(Math.max(0, Math.trunc(Number(list.length))) || 0, most + 1);
        if (list === null || typeof list !== "object") altered();
        const out = new Constructor(length);
        for (let i = 0; i < length; i++)
          out[i] =
            out instanceof BigUint64Array || out instanceof BigInt64Array
              ? toBigInt(list[i], altered)
              : toNumber(list[i], altered);
        return out;
      } catch {
        altered();
        return new Constructor(0);
      }
    },
    cutLength(array, most, altered) {
      const length = lengthOf(array) as number;
      if (length <= most) return length;
      altered();
      return most;
    },
    storeArray(bytes, array, at, length, size) {
      // A whole array of bytes does without a view of it, which takes 30 ns.
      const whole = size === 1 && length < MAX_BYTES;
      const source = whole
        ? (array as Uint8Array)
        : new Uint8Array(bufferOf(array) as ArrayBuffer, offsetOf(array) as number, length * size);
      bytes.set(source, at);
    },
  };
}
