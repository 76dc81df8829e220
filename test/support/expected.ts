/**
 * What a trace must hold for a value that a program gave to a field: the rules of
 * the API said once more, with typed arrays and code points instead of the
 * recorder's code. Runs in emitting programs and in the test process.
 */
import { elementType, type FieldType, isArrayType, type NumberType } from "../../src/ctf/fields.ts";
import type { Value } from "./pretty.ts";

/** A value as text: integers in decimal, floats as their bits, enumerations and bools as their labels. */
export type Expected = string | Expected[];

/** The most bytes of a string or an array: the documented limit. */
export const LIMIT_BYTES = 65536;

const INTEGERS = {
  u8: Uint8Array,
  u16: Uint16Array,
  u32: Uint32Array,
  i8: Int8Array,
  i16: Int16Array,
  i32: Int32Array,
} as const;

function number(type: NumberType, value: number | bigint): string {
  switch (type) {
    case "u64":
      return String(BigInt.asUintN(64, BigInt(value)));
    case "i64":
      return String(BigInt.asIntN(64, BigInt(value)));
    case "u53":
      return Number.isFinite(value) ? String(BigInt.asUintN(64, BigInt(Math.trunc(Number(value))))) : "0";
    case "f32":
      return String(new Uint32Array(new Float32Array([Number(value)]).buffer)[0]);
    case "f64":
      return String(new BigUint64Array(new Float64Array([Number(value)]).buffer)[0]);
    default:
      return String(new INTEGERS[type]([Number(value)])[0]);
  }
}

const ELEMENT_BYTES: Readonly<Record<NumberType, number>> = {
  u8: 1,
  u16: 2,
  u32: 4,
  u53: 8,
  u64: 8,
  i8: 1,
  i16: 2,
  i32: 4,
  i64: 8,
  f32: 4,
  f64: 8,
};

/** Bytes of a value in a record. */
function sizeOf(type: FieldType, expected: Expected): number {
  if (type === "string") return Buffer.byteLength(String(expected)) + 1;
  if (type === "bool") return 1;
  if (type === "bytes") return 4 + expected.length;
  if (typeof type === "object") return enumBytes(type.enum);
  if (isArrayType(type)) return 4 + expected.length * ELEMENT_BYTES[elementType(type)];
  return ELEMENT_BYTES[type];
}

/** The smallest of 1, 2 and 4 bytes that holds all numbers and one to spare. */
function enumBytes(labels: readonly string[] | Readonly<Record<string, number>>): number {
  const top = Math.max(...(Array.isArray(labels) ? labels.keys() : Object.values(labels)));
  return top < 0xff ? 1 : top < 0xffff ? 2 : 4;
}

/** Collects what a program emits, and counts the values that must be counted as altered. */
export class Oracle {
  altered = 0;
  payloadBytes = 0;

  /** What the trace must hold for a value of the field's own TypeScript type. */
  value(type: FieldType, value: unknown): Expected {
    const expected = this.#value(type, value);
    this.payloadBytes += sizeOf(type, expected);
    return expected;
  }

  #value(type: FieldType, value: unknown): Expected {
    if (type === "string") return this.#text(String(value));
    if (type === "bool") return value === true ? "true" : "false";
    if (type === "bytes") return this.#list("u8", [...new Uint8Array(value as ArrayBuffer)]);
    if (typeof type === "object") return this.#label(type.enum, String(value));
    if (isArrayType(type))
      return this.#list(elementType(type), Array.from(value as ArrayLike<number | bigint>));
    return number(type, value as number | bigint);
  }

  #text(text: string): string {
    if (text.includes("\0")) this.altered++;
    const whole = text.toWellFormed().replaceAll("\0", "\u2400");
    if (Buffer.byteLength(whole) <= LIMIT_BYTES) return whole;
    let out = "";
    let bytes = 0;
    for (const character of whole) {
      bytes += Buffer.byteLength(character);
      if (bytes > LIMIT_BYTES) {
        this.altered++;
        break;
      }
      out += character;
    }
    return out;
  }

  #list(type: NumberType, list: readonly (number | bigint)[]): string[] {
    const most = LIMIT_BYTES / ELEMENT_BYTES[type];
    if (list.length > most) this.altered++;
    return list.slice(0, most).map((element) => number(type, element));
  }

  #label(labels: readonly string[] | Readonly<Record<string, number>>, label: string): string {
    const names: readonly string[] = Array.isArray(labels) ? labels : Object.keys(labels);
    if (names.includes(label)) return label;
    this.altered++;
    return "unknown";
  }
}

/** A value that was read with `readBits`, as the oracle writes it. */
export function asExpected(value: Value | undefined): Expected {
  if (Array.isArray(value)) return value.map(asExpected);
  if (typeof value === "object") throw new Error("no field type is a structure");
  return String(value);
}
