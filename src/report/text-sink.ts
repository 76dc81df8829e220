// The sink that writes fields as babeltrace2's text: `{ id = 7, url = "/", state = ( "open" : container = 1 ) }`. The
// generated code puts bytes into an Output; strings are copied from the trace without becoming JavaScript's.
import { bigintCode, type IntegerCode, JsSink, type JsWalk } from "../ctf/js-walk.ts";
import { labelsOf } from "../ctf/objects.ts";
import {
  type ArrayType,
  type EnumType,
  type FloatType,
  type IntegerType,
  integerOf,
  type Member,
  type StructType,
} from "../ctf/types.ts";
import * as digits from "./digits.ts";
import type { Output } from "./output.ts";
import type { Palette, Style } from "./style.ts";

/** Bytes that a number and what stands around it take at most, names apart. */
const NUMBER_ROOM = 160;

/** Code before a walk with text sinks: the output's parts as variables. `out` must be a parameter. */
export const TEXT_BEFORE = "let o = out.bytes, w = out.view, q = out.at, limit = out.limit;";

/** Code after it. */
export const TEXT_AFTER = "out.at = q;";

// A plain object: the namespace of a module is looked up slowly.
const DIGITS = { ...digits };

const encoder = new TextEncoder();

/** Adds a literal to a walk's output, and makes room for `more` bytes after it. */
export function writeLiteral(walk: JsWalk, text: string, more = 0): void {
  const bytes = encoder.encode(text);
  makeRoom(walk, String(bytes.length + more));
  if (bytes.length > MAX_STORED) {
    walk.line(`o.set(${walk.constant(bytes)}, q); q += ${bytes.length};`);
    return;
  }
  // Four bytes at a time, past the end: what comes next overwrites the rest.
  const stores: string[] = [];
  for (let at = 0; at < bytes.length; at += 4) {
    const word = [3, 2, 1, 0].reduce((sum, byte) => sum * 256 + (bytes[at + byte] ?? 0), 0);
    stores.push(`w.setUint32(q + ${at}, ${word}, true);`);
  }
  walk.line(`${stores.join(" ")} q += ${bytes.length};`);
}

/** Bytes. A longer literal is copied. */
const MAX_STORED = 128;

function makeRoom(walk: JsWalk, count: string): void {
  walk.line(`if (q + ${count} > limit) { out.at = q; out.room(${count});`);
  walk.line("o = out.bytes; w = out.view; q = out.at; limit = out.limit; }");
}

/** Writes one scope's fields. */
export class TextSink extends JsSink {
  readonly #walk: JsWalk;
  readonly #palette: Palette;
  readonly #digits: string;
  /** Text that the next value begins with, not written yet. */
  #pending = "";
  readonly #isFirst: boolean[] = [];

  constructor(walk: JsWalk, palette: Palette) {
    super();
    this.#walk = walk;
    this.#palette = palette;
    this.#digits = walk.constant(DIGITS);
  }

  /** Adds text after the fields. */
  literal(text: string): void {
    this.#pending += text;
  }

  /** Writes what is pending; call it after the walk, and before positions branch. */
  finish(more = 0): void {
    if (this.#pending !== "" || more > 0) writeLiteral(this.#walk, this.#pending, more);
    this.#pending = "";
  }

  override wants(member: Member): boolean {
    return !member.hidden;
  }

  override integer(type: IntegerType | EnumType, value: IntegerCode): void {
    if (type.kind === "integer") {
      this.#number(type, value);
      return;
    }
    const integer = integerOf(type);
    if (integer === undefined) return;
    // The value is needed for its labels and for itself.
    const name = this.#walk.name("x");
    const code = value.form === "number" ? value.code : bigintCode(value, integer.signed);
    this.#walk.line(`const ${name} = ${code};`);
    const once: IntegerCode = { form: value.form === "number" ? "number" : "bigint", code: name };
    this.finish();
    const text = this.#walk.name("t");
    const labels = this.#walk.constant(labelTexts(type, this.#palette));
    this.#walk.line(`const ${text} = ${labels}(${name});`);
    makeRoom(this.#walk, `${text}.length`);
    this.#walk.line(`o.set(${text}, q); q += ${text}.length;`);
    this.#number(integer, once);
    this.literal(" )");
  }

  override real(_type: FloatType, code: string): void {
    this.#open(this.#palette.value);
    this.finish(NUMBER_ROOM);
    this.#walk.line(`q = ${this.#digits}.real(o, w, q, ${code});`);
    this.#close(this.#palette.value);
  }

  override text(_type: unknown, start: string, end: string): void {
    this.#open(this.#palette.value);
    this.literal('"');
    this.finish();
    // Each byte becomes four at most, as \\x7f.
    makeRoom(this.#walk, `(${end} - ${start}) * 4`);
    this.#walk.line(`q = ${this.#walk.constant(escape)}(b, ${start}, ${end}, o, q);`);
    this.literal('"');
    this.#close(this.#palette.value);
  }

  override beginStruct(_type: StructType): void {
    this.literal("{");
    this.#isFirst.push(true);
  }

  override beginMember({ name }: Member): void {
    const { fieldName } = this.#palette;
    this.literal(
      `${this.#isFirst.at(-1) === true ? " " : ", "}${fieldName.open}${name}${fieldName.close} = `,
    );
    this.#isFirst[this.#isFirst.length - 1] = false;
  }

  override endStruct(): void {
    this.#isFirst.pop();
    this.literal(" }");
  }

  override beginArray(_type: ArrayType | unknown): void {
    this.literal("[");
    this.finish();
  }

  override beginElement(index: string): void {
    this.finish();
    makeRoom(this.#walk, "32");
    this.#walk.line(`q = ${this.#digits}.ascii(o, q, ${index} === 0 ? " [" : ", [");`);
    this.#walk.line(`q = ${this.#digits}.integer(w, q, ${index});`);
    this.literal("] = ");
  }

  override endElement(): void {
    this.finish();
  }

  override endArray(): void {
    this.literal(" ]");
  }

  override beginVariant(): void {
    this.literal("{ ");
    this.finish();
  }

  override endOption(): void {
    this.finish();
  }

  override endVariant(): void {
    this.literal(" }");
  }

  #number(type: IntegerType, value: IntegerCode): void {
    this.#open(this.#palette.value);
    this.finish(NUMBER_ROOM);
    const { base, size, signed } = type;
    if (base !== 10) {
      const plain = value.form === "number" ? value.code : bigintCode(value, signed);
      const text = `${this.#digits}.inBase(${plain}, ${base}, ${size}, ${signed})`;
      this.#walk.line(`q = ${this.#digits}.ascii(o, q, ${text});`);
    } else if (value.form === "number") {
      this.#walk.line(`q = ${this.#digits}.integer(w, q, ${value.code});`);
    } else if (value.form === "halves") {
      this.#walk.line(`q = ${this.#digits}.halves(o, w, q, ${value.low}, ${value.high}, ${signed});`);
    } else {
      this.#walk.line(`q = ${this.#digits}.ascii(o, q, String(${value.code}));`);
    }
    this.#close(this.#palette.value);
  }

  #open(style: Style): void {
    this.literal(style.open);
  }

  #close(style: Style): void {
    this.literal(style.close);
  }
}

/** Values remembered by one enumeration's texts. */
const MAX_REMEMBERED = 4096;

/** A function from an enumeration's value to its labels' text, up to the number. */
function labelTexts(
  type: EnumType,
  { value: style, unknown }: Palette,
): (value: number | bigint) => Uint8Array {
  const known = new Map<number | bigint, Uint8Array>();
  return (value) => {
    const before = known.get(value);
    if (before !== undefined) return before;
    const labels = labelsOf(type, value).map((label) => {
      const bytes = encoder.encode(label);
      const escaped = new Uint8Array(bytes.length * 4);
      const text = new TextDecoder().decode(escaped.subarray(0, escape(bytes, 0, bytes.length, escaped, 0)));
      return `${style.open}"${text}"${style.close}`;
    });
    const none = `${unknown.open}<unknown>${unknown.close}`;
    const text = encoder.encode(`( ${labels.length === 0 ? none : labels.join(", ")} : container = `);
    if (known.size < MAX_REMEMBERED) known.set(value, text);
    return text;
  };
}

/** What follows the backslash, by character; 1 for a number, 0 for characters that stay. */
const ESCAPES = new Uint8Array(256);
ESCAPES.fill(1, 0, 32);
ESCAPES[127] = 1;
for (const [character, letter] of [
  ["\\", "\\"],
  ["'", "'"],
  ['"', '"'],
  ["?", "?"],
  ["\x07", "a"],
  ["\b", "b"],
  ["\x1b", "e"],
  ["\f", "f"],
  ["\n", "n"],
  ["\r", "r"],
  ["\t", "t"],
  ["\v", "v"],
] as const) {
  ESCAPES[character.charCodeAt(0)] = letter.charCodeAt(0);
}

const BACKSLASH = 92;

/** Copies text with babeltrace2's escapes; returns the place after it. */
function escape(b: Uint8Array, start: number, end: number, o: Uint8Array, q: number): number {
  for (let at = start; at < end; at += 1) {
    const byte = b[at] ?? 0;
    const letter = ESCAPES[byte] ?? 0;
    if (letter === 0) {
      o[q++] = byte;
      continue;
    }
    o[q++] = BACKSLASH;
    if (letter > 1) o[q++] = letter;
    else q = digits.ascii(o, q, `x${byte.toString(16).padStart(2, "0")}`);
  }
  return q;
}

/** Makes the text of something whose code is generated; `out` receives it. */
export type TextFunction = (
  b: Uint8Array,
  v: DataView,
  p: number,
  stored: readonly (number | bigint)[],
  out: Output,
) => void;
