/**
 * Generates the writer of a tracepoint, once: a function that stores the payload
 * at constant offsets into its thread's staging area and commits it with one
 * call. Runs where the tracepoint is defined; what it makes runs in the emitting
 * thread and is the hot path. Layout: byte-packed, little endian, the fields in
 * order, as src/ctf/metadata-writer.ts declares them.
 */
import type { Pointer } from "bun:ffi";

import {
  elementType,
  type Field,
  type FieldType,
  isArrayType,
  isNumberType,
  layoutEnum,
  MAX_BYTES,
  NUMBER_TYPES,
  type NumberType,
} from "../ctf/fields.ts";
import {
  type Altered,
  forArrays,
  read,
  SHORT_ARRAY,
  storeShort,
  storeText,
  toBigInt,
  toEnum,
  toNumber,
  toText,
} from "./coerce.ts";
import type { Commit } from "./native.ts";

/** What writers of one thread share while a session is open. */
export interface Emitter {
  /** One byte an event id; other processes may change them. */
  readonly enabled: Uint8Array;
  /** Address of the thread's struct bt_writer; null when nothing is recorded. */
  readonly writer: Pointer | null;
  /** Two views of the staging area. */
  readonly view: DataView;
  readonly bytes: Buffer;
  readonly commit: Commit;
  readonly altered: Altered;
}

/** A generated writer. */
export interface Writer {
  /** Takes the fields' values in order. */
  readonly emit: (...values: unknown[]) => void;
  /** Takes them as an object. */
  readonly record: (values: unknown) => void;
  readonly enabled: () => boolean;
  /** Points the writer at a session: from now on events have this id. */
  readonly bind: (emitter: Emitter, id: number) => void;
}

/** What the writers' sources call. */
const coerce = { forArrays, read, storeShort, storeText, toBigInt, toEnum, toNumber, toText };

const nothing = (): void => {};

/** The flag of an event type whose declaration the trace would not take: its events are counted as discarded. */
const UNDECLARED = new Uint8Array([1]);

/** What a writer is bound to while no session is open: always off. */
export const UNTRACED: Emitter = {
  enabled: new Uint8Array(1),
  writer: null,
  view: new DataView(new ArrayBuffer(0)),
  bytes: Buffer.alloc(0),
  commit: nothing,
  altered: nothing,
};

/** What a source makes: a writer, and the two functions of it that a binding replaces. */
interface Made extends Omit<Writer, "bind"> {
  readonly store: (...values: unknown[]) => void;
  readonly test: () => boolean;
  readonly replace: (store: Made["store"], test: Made["test"]) => void;
}

/** Writers compiled so far. */
let made = 0;

/** Generates the writer of a tracepoint with these fields, bound as given. */
export function generateWriter(fields: readonly Field[], emitter: Emitter, id: number): Writer {
  const source = writerSource(fields);
  const enums: (ReadonlyMap<string, number> | undefined)[] = [];
  const names: string[] = [];
  for (const [name, type] of fields) {
    names.push(name);
    enums.push(isEnum(type) ? new Map(layoutEnum(type.enum).labels) : undefined);
  }
  // Compiled anew for each binding, and never from a text that was compiled before:
  // the engine would give both the same code, and take nothing in it for constant.
  const make = (emitter: Emitter, id: number): Made => {
    const compiled = new Function(
      "coerce",
      "enums",
      "names",
      "undeclared",
      "emitter",
      "event",
      `${source}// ${++made}`,
    ) as (...parameters: unknown[]) => Made;
    return compiled(coerce, enums, names, UNDECLARED, emitter, id);
  };
  const { emit, record, enabled, replace } = make(emitter, id);
  return {
    emit,
    record,
    enabled,
    bind: (emitter, id) => {
      const { store, test } = make(emitter, id);
      replace(store, test);
    },
  };
}

/**
 * The source. All that a session gives is constant in `store`: the engine takes the
 * variables of a closure that was made once for constants, and does without their
 * loads (3 to 4 ns of an event's 17). So a session that opens or closes brings
 * another `store`, compiled for it alone, and `emit` only holds the one that is current.
 */
function writerSource(fields: readonly Field[]): string {
  const body = new Body();
  const parameters: string[] = [];
  const named: string[] = [];
  let constants = "";
  let hasArrays = false;
  for (const [, type] of fields) {
    const i = parameters.length;
    body.field(type, i);
    parameters.push(`v${i}`);
    named.push(`read(values, names[${i}], altered)`);
    if (isEnum(type)) constants += `const enum${i} = enums[${i}];\n`;
    hasArrays ||= type === "bytes" || isArrayType(type);
  }
  if (hasArrays) constants += "const { toArray, cutLength, storeArray } = coerce.forArrays();";
  const args = parameters.join(", ");
  return `"use strict";
const { toNumber, toBigInt, toText, toEnum, storeShort, storeText, read } = coerce;
${constants}
const { writer, view, bytes, commit, altered } = emitter;
const on = event < 0 ? undeclared : emitter.enabled, flag = event < 0 ? 0 : event;
function store(${args}) {
  if (on[flag] === 0) return;
${body.prepare.join("\n")}
${body.store.join("\n")}
  commit(writer, event, ${body.end()});
}
const test = () => on[flag] !== 0;
let currentStore = store, currentTest = test;
function emit(${args}) {
  currentStore(${args});
}
function record(values) {
  if (currentTest()) currentStore(${named.join(", ")});
}
function replace(store, test) {
  currentStore = store;
  currentTest = test;
}
return { emit, record, enabled: () => currentTest(), store, test, replace };`;
}

/** Collects a writer's statements, field by field. */
class Body {
  /** Conversions: they may run the program's code, so they all come first. */
  readonly prepare: string[] = [];
  readonly store: string[] = [];
  /** Bytes since the payload's start, or since `at` once a field had no fixed size. */
  #offset = 0;
  #moved = false;

  field(type: FieldType, index: number): void {
    const v = `v${index}`;
    if (type === "string") this.#string(v);
    else if (type === "bytes") this.#array(v, "u8");
    else if (isArrayType(type)) this.#array(v, elementType(type));
    else if (type === "bool") this.#store("u8", `${v} ? 1 : 0`);
    else if (isNumberType(type)) this.#number(v, type);
    else {
      const { container, unknown } = layoutEnum(type.enum);
      this.prepare.push(
        `  if (typeof ${v} !== "number") ${v} = toEnum(${v}, enum${index}, ${unknown}, altered);`,
      );
      this.#store(container, v);
    }
  }

  /** The payload's length as an expression. */
  end(): string {
    return this.#at(0);
  }

  #at(more: number): string {
    return this.#moved ? `at + ${this.#offset + more}` : String(this.#offset + more);
  }

  #number(v: string, type: NumberType): void {
    if (type === "u64" || type === "i64") {
      this.prepare.push(`  if (typeof ${v} !== "bigint") ${v} = toBigInt(${v}, altered);`);
      this.#store(type, v);
    } else {
      this.prepare.push(`  if (typeof ${v} !== "number") ${v} = toNumber(${v}, altered);`);
      this.#store(type, v);
    }
  }

  #store(type: NumberType, value: string): void {
    this.store.push(`  ${setter(type, this.#at(0), value)}`);
    this.#offset += NUMBER_TYPES[type].bytes;
  }

  #string(v: string): void {
    this.prepare.push(`  if (typeof ${v} !== "string") ${v} = toText(${v}, altered);`);
    const at = this.#at(0);
    this.store.push(
      `  length = storeShort(bytes, ${v}, ${at});`,
      `  if (length < 0) length = storeText(bytes, ${v}, ${at}, altered);`,
    );
    this.#move(at, "length");
    this.#store("u8", "0");
  }

  #array(v: string, type: NumberType): void {
    const size = NUMBER_TYPES[type].bytes;
    const most = MAX_BYTES / size;
    this.prepare.push(`  ${v} = toArray(${v}, "${type}", ${most}, altered);`);
    const at = this.#at(0);
    const first = this.#at(4);
    const loop = `for (let i = 0, to = ${first}; i < length; i++, to += ${size}) ${setter(type, "to", `${v}[i]`)}`;
    const short = size === 1 ? SHORT_ARRAY.bytes : SHORT_ARRAY.wider;
    this.store.push(
      `  length = cutLength(${v}, ${most}, altered);`,
      `  ${setter("u32", at, "length")}`,
      // A u53 is a double in the program and an integer in the trace.
      type === "u53"
        ? `  ${loop}`
        : `  if (length <= ${short}) ${loop}\n  else storeArray(bytes, ${v}, ${first}, length, ${size});`,
    );
    this.#move(at, `4 + length * ${size}`);
  }

  /** From here on offsets count from a place known only when the event is emitted. */
  #move(from: string, length: string): void {
    if (!this.#moved) this.store.unshift("  let at, length;");
    this.store.push(`  at = ${from} + ${length};`);
    this.#moved = true;
    this.#offset = 0;
  }
}

const SETTERS: Partial<Record<NumberType, string>> = {
  u8: "setUint8",
  u16: "setUint16",
  u32: "setUint32",
  u64: "setBigUint64",
  i8: "setInt8",
  i16: "setInt16",
  i32: "setInt32",
  i64: "setBigInt64",
  f32: "setFloat32",
  f64: "setFloat64",
};

/** The statement that stores a value that is already of the right kind; numbers out of range wrap. */
function setter(type: NumberType, at: string, value: string): string {
  if (type === "u53")
    return `{ const t = Math.trunc(${value}); view.setUint32(${at}, t, true); view.setUint32(${at} + 4, Math.floor(t / 4294967296), true); }`;
  if (type === "u8" || type === "i8") return `view.${SETTERS[type]}(${at}, ${value});`;
  return `view.${SETTERS[type]}(${at}, ${value}, true);`;
}

function isEnum(type: FieldType): type is Exclude<FieldType, string> {
  return typeof type === "object";
}
