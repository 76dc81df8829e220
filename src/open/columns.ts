/**
 * The fields of the events that the page shows one by one, collected as columns.
 * Called by gather.ts for each event, in the command's process.
 */
import type { FieldValue } from "../ctf/objects.ts";
import type { FieldType } from "../ctf/types.ts";
import { jsonValue } from "../report/json.ts";
import { type ColumnRef, type FieldHeader, IntWriter, MAX_INT } from "./format.ts";

/** Characters of a text that are kept; nobody reads more of it in a timeline. */
const MAX_TEXT = 4096;

/** Characters of all texts together that are kept: each different one is there once. */
const MAX_TEXTS = 48_000_000;

/** Different texts, each kept once. */
export class Texts {
  readonly all: string[] = [];
  /** Texts that were cut, and those left out because there were too many. */
  cut = 0;
  left = 0;
  #size = 0;
  readonly #numbers = new Map<string, number>();

  /** The number of a text. */
  number(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    if (text.length > MAX_TEXT) {
      this.cut += 1;
      return this.number(
        `${text.slice(0, MAX_TEXT - 40).toWellFormed()} … (${text.length - MAX_TEXT + 40} more)`,
      );
    }
    if (this.#size > MAX_TEXTS) {
      this.left += 1;
      return this.#add("… (not kept: too many different texts)");
    }
    return this.#add(text);
  }

  #add(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.all.length;
      this.all.push(text);
      this.#numbers.set(text, number);
      this.#size += text.length;
    }
    return number;
  }
}

/** Collects bytes one after the other. */
export class Bytes {
  readonly parts: Uint8Array[] = [];
  size = 0;

  add(bytes: Uint8Array, count: number): ColumnRef {
    const ref: ColumnRef = [this.size, bytes.length, count];
    this.parts.push(bytes);
    this.size += bytes.length;
    return ref;
  }

  ints(values: IntWriter): ColumnRef {
    return this.add(values.bytes, values.count);
  }
}

/** A field of a class. */
export class FieldColumn {
  readonly #name: string;
  readonly #form: FieldHeader["form"];
  readonly #texts: Texts;
  readonly #ints = new IntWriter();
  readonly #largeRows = new IntWriter();
  readonly #largeTexts = new IntWriter();
  #floats = new Float64Array(64);
  #count = 0;

  constructor(name: string, type: FieldType, texts: Texts) {
    this.#name = name;
    this.#form = type.kind === "integer" ? "int" : type.kind === "float" ? "float" : "text";
    this.#texts = texts;
  }

  push(value: FieldValue | undefined): void {
    if (this.#form === "int") this.#pushInt(typeof value === "bigint" ? value : Number(value ?? 0));
    else if (this.#form === "float") this.#pushFloat(Number(value ?? NaN));
    else this.#ints.push(this.#texts.number(fieldText(value)));
    this.#count += 1;
  }

  #pushInt(value: number | bigint): void {
    const number = Number(value);
    if (Math.abs(number) <= MAX_INT) {
      this.#ints.push(number);
      return;
    }
    this.#largeRows.push(this.#count);
    this.#largeTexts.push(this.#texts.number(String(value)));
    this.#ints.push(0);
  }

  #pushFloat(value: number): void {
    if (this.#count === this.#floats.length) {
      const before = this.#floats;
      this.#floats = new Float64Array(before.length * 2);
      this.#floats.set(before);
    }
    this.#floats[this.#count] = value;
  }

  /** Adds the column to the bytes. */
  pack(bytes: Bytes): FieldHeader {
    const values =
      this.#form === "float"
        ? bytes.add(new Uint8Array(this.#floats.buffer, 0, this.#count * 8), this.#count)
        : bytes.ints(this.#ints);
    const header = { name: this.#name, form: this.#form, values };
    if (this.#largeRows.count === 0) return header;
    return { ...header, large: [bytes.ints(this.#largeRows), bytes.ints(this.#largeTexts)] };
  }
}

/** A value as text: strings as they are, structures and arrays as JSON. */
export function fieldText(value: FieldValue | undefined): string {
  if (typeof value !== "object") return String(value ?? "").toWellFormed();
  return JSON.stringify(value, jsonValue).toWellFormed();
}
