/**
 * The vocabulary of fields: which types a field of an event record can have,
 * what TypeScript value each takes, how many bytes it needs and how TSDL says it.
 * Shared by the recording side (src/record) and the metadata writer; pure data,
 * no process or thread of its own.
 */

/** Integer and float types of fixed size, as they lie in the record. */
export const NUMBER_TYPES = {
  u8: { bytes: 1, tsdl: "u8" },
  u16: { bytes: 2, tsdl: "u16" },
  u32: { bytes: 4, tsdl: "u32" },
  /** A number, exact to 2^53, written as 64 bits. */
  u53: { bytes: 8, tsdl: "u64" },
  u64: { bytes: 8, tsdl: "u64" },
  i8: { bytes: 1, tsdl: "i8" },
  i16: { bytes: 2, tsdl: "i16" },
  i32: { bytes: 4, tsdl: "i32" },
  i64: { bytes: 8, tsdl: "i64" },
  f32: { bytes: 4, tsdl: "f32" },
  f64: { bytes: 8, tsdl: "f64" },
} as const;

/** Name of a numeric field type. */
export type NumberType = keyof typeof NUMBER_TYPES;
/** Name of an array field type: any number of one numeric type. */
export type ArrayType = `${NumberType}[]`;
/** Labels of an enumeration, numbered from 0, or with their numbers (0 to 2^32 - 2). */
export type EnumLabels = readonly string[] | Readonly<Record<string, number>>;
/** An enumeration field type. */
export interface EnumType<L extends EnumLabels = EnumLabels> {
  readonly enum: L;
}
/** Any field type. */
export type FieldType = NumberType | ArrayType | "bool" | "string" | "bytes" | EnumType;
/** A field: its name and its type. */
export type Field = readonly [name: string, type: FieldType];

/** The label a record shows for an enumeration value that has no label. */
export const UNKNOWN_LABEL = "unknown";

/**
 * Longest string or array in a record, in bytes; longer ones are cut and
 * counted. 64 KiB holds a large request body's head and keeps a record well
 * below a sub-buffer.
 */
export const MAX_BYTES = 65536;

/** A record's longest payload: the size of the staging area (attach.c). */
export const MAX_PAYLOAD_BYTES = 1 << 20;

/** Most fields of one tracepoint: JavaScript's own functions get unreadable long before. */
export const MAX_FIELDS = 64;

/** An enumeration's container and its (label, number) pairs. */
export interface EnumLayout {
  readonly container: "u8" | "u16" | "u32";
  /** All ones: the number recorded for a value without label. */
  readonly unknown: number;
  readonly labels: readonly (readonly [label: string, value: number])[];
}

/**
 * Picks the smallest container that holds all labels and one number to spare.
 * @throws Error that says which label is wrong.
 */
export function layoutEnum(labels: EnumLabels): EnumLayout {
  const pairs: [string, number][] = isList(labels)
    ? labels.map((label, value) => [label, value])
    : Object.entries(labels);
  if (pairs.length === 0) throw new Error("an enumeration needs at least one label");
  const seen = new Set<string>();
  for (const [label, value] of pairs) {
    if (typeof label !== "string" || !/^[ -!#-[\]-~]{1,64}$/.test(label))
      throw new Error(
        `enumeration label ${JSON.stringify(label)}: use 1 to 64 printable ASCII characters, no quote or backslash`,
      );
    if (label === UNKNOWN_LABEL || seen.has(label))
      throw new Error(
        `enumeration label ${JSON.stringify(label)} is ${seen.has(label) ? "there twice" : "reserved"}`,
      );
    if (!Number.isInteger(value) || value < 0 || value > 0xfffffffe)
      throw new Error(
        `enumeration label ${JSON.stringify(label)}: ${value} is not an integer from 0 to 2^32 - 2`,
      );
    seen.add(label);
  }
  const top = Math.max(...pairs.map(([, value]) => value));
  if (top < 0xff) return { container: "u8", unknown: 0xff, labels: pairs };
  if (top < 0xffff) return { container: "u16", unknown: 0xffff, labels: pairs };
  return { container: "u32", unknown: 0xffffffff, labels: pairs };
}

function isList(labels: EnumLabels): labels is readonly string[] {
  return Array.isArray(labels);
}

/**
 * Whether text is 1 to `most` ASCII letters, digits and characters of `more`. No regular expression: the first one of a
 * program takes 0.1 ms of its start.
 */
export function isWord(text: string, more: string, most: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const isLetter = (code | 32) >= 97 && (code | 32) <= 122;
    const isDigit = code >= 48 && code <= 57;
    if (!isLetter && !isDigit && !more.includes(text.charAt(i))) return false;
  }
  return text.length > 0 && text.length <= most;
}

/** Whether a field type is an array of numbers. */
export function isArrayType(type: FieldType): type is ArrayType {
  return typeof type === "string" && type.endsWith("[]") && type.slice(0, -2) in NUMBER_TYPES;
}

/** Whether a field type is one number. */
export function isNumberType(type: FieldType): type is NumberType {
  return typeof type === "string" && Object.hasOwn(NUMBER_TYPES, type);
}

/** The element type of an array type. */
export function elementType(type: ArrayType): NumberType {
  return type.slice(0, -2) as NumberType;
}

/** Most bytes a field can take in a record. */
export function maxBytes(type: FieldType): number {
  if (type === "string") return MAX_BYTES + 1;
  if (type === "bytes" || isArrayType(type)) return MAX_BYTES + 4;
  if (type === "bool") return 1;
  if (isNumberType(type)) return NUMBER_TYPES[type].bytes;
  return NUMBER_TYPES[layoutEnum(type.enum).container].bytes;
}

/**
 * Checks the fields of a tracepoint as they come from a program.
 * @throws Error with one line: what is wrong, with what value.
 */
export function checkFields(fields: readonly Field[]): void {
  if (!Array.isArray(fields))
    throw new Error(`fields must be an array of [name, type] pairs, not ${typeof fields}`);
  if (fields.length > MAX_FIELDS) throw new Error(`${fields.length} fields; the most is ${MAX_FIELDS}`);
  const seen = new Set<string>();
  let bytes = 0;
  let i = -1;
  for (const pair of fields as readonly unknown[]) {
    i += 1;
    if (!Array.isArray(pair)) throw new Error(`field ${i} is no [name, type] pair`);
    const [name, type]: readonly unknown[] = pair;
    if (typeof name !== "string" || !isWord(name, "_", 64) || name.charAt(0) <= "9")
      throw new Error(
        `field name ${JSON.stringify(name)}: use letters, digits and _, not a digit first, at most 64`,
      );
    if (seen.has(name)) throw new Error(`field name ${JSON.stringify(name)} is there twice`);
    // babeltrace2 would: it compares `_x`, as x is declared, with `_x` as shown.
    if (seen.has(`_${name}`))
      throw new Error(
        `field name ${JSON.stringify(name)} after ${JSON.stringify(`_${name}`)}: readers take one for the other`,
      );
    seen.add(name);
    if (!isFieldType(type))
      throw new Error(`field ${JSON.stringify(name)}: no field type ${JSON.stringify(type)}`);
    bytes += maxBytes(type);
  }
  if (bytes > MAX_PAYLOAD_BYTES)
    throw new Error(
      `the fields could take ${bytes} bytes; the most is ${MAX_PAYLOAD_BYTES}: use fewer strings and arrays`,
    );
}

function isFieldType(type: unknown): type is FieldType {
  if (typeof type === "object" && type !== null && "enum" in type)
    return typeof type.enum === "object" && type.enum !== null;
  if (typeof type !== "string") return false;
  if (type === "bool" || type === "string" || type === "bytes") return true;
  const element = type.endsWith("[]") ? type.slice(0, -2) : type;
  return Object.hasOwn(NUMBER_TYPES, element);
}
