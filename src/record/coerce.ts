/**
 * Turns whatever a program passes to a tracepoint into what its field can hold.
 * Called by generated writers, in the emitting thread, before the first byte of
 * the record is stored: a `valueOf` that emits an event of its own, or throws,
 * finds nothing half done. Nothing here throws.
 */
import type { NumberType } from "../ctf/fields.ts";

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

/** A string in a trace ends at its first NUL: those inside are shown as U+2400, and counted. */
export function withoutNul(text: string, altered: Altered): string {
  altered();
  return text.replaceAll("\0", "\u2400");
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

const CONSTRUCTORS = {
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

/** A typed array of any numeric field type. */
export type Numbers = InstanceType<(typeof CONSTRUCTORS)[NumberType]>;

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const tagOf = getter(typedArray, Symbol.toStringTag);
const lengthOf = getter(typedArray, "length");

/** A built-in getter, out of reach of subclasses and proxies. */
function getter(prototype: object, key: PropertyKey): (of: unknown) => unknown {
  const get = Object.getOwnPropertyDescriptor(prototype, key)?.get;
  if (!get) throw new Error(`no built-in getter ${String(key)}`);
  return (of) => get.call(of);
}

/**
 * A typed array of the field's type, with at most `most` elements to read: the
 * program's own where it is one, else a converted copy.
 */
export function toArray(value: unknown, type: NumberType, most: number, altered: Altered): Numbers {
  const Constructor = CONSTRUCTORS[type];
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
}

/** How many elements of the array go into the record. */
export function cutLength(array: Numbers, most: number, altered: Altered): number {
  const length = lengthOf(array) as number;
  if (length <= most) return length;
  altered();
  return most;
}
