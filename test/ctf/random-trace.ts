/**
 * Makes random traces of every TSDL type, with their data and the values in it:
 * what the reader is compared with, beside babeltrace2. Knows CTF 1.8 from its
 * specification, and nothing of src/ctf. Runs in the test process.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Random } from "../support/random.ts";
import { BitWriter } from "./bits.ts";

/** A value of a field: as the reader's records have it. */
export type Value = number | bigint | string | boolean | Value[] | { [name: string]: Value };

/** An event that was written. */
export interface Written {
  readonly name: string;
  /** The clock's value, in cycles. */
  readonly cycles: bigint;
  readonly fields: Value;
  readonly context: Value | undefined;
  readonly streamContext: Value | undefined;
}

/** A field's type: how metadata says it, and how a random value of it is written. */
interface Type {
  readonly tsdl: string;
  readonly align: number;
  /** Adds a random value to the packet; values that later fields refer to are in `known`. */
  write(bits: BitWriter, known: Map<string, bigint>): Value;
}

const LABELS = ["zero", "one_two", "three", "some text", "neg"] as const;

/** What one trace's random types share. */
class Types {
  readonly #random: Random;
  readonly #littleEndian: boolean;
  /** Whether all fields start and end on bytes, as most tracers write them. */
  readonly #bytewise: boolean;
  #names = 0;

  constructor(random: Random, littleEndian: boolean, bytewise: boolean) {
    this.#random = random;
    this.#littleEndian = littleEndian;
    this.#bytewise = bytewise;
  }

  name(): string {
    this.#names += 1;
    return `f${this.#names}`;
  }

  integer(options: { size?: number; signed?: boolean; align?: number; littleEndian?: boolean } = {}): Type & {
    readonly size: number;
    readonly signed: boolean;
    put(bits: BitWriter, value: bigint): void;
  } {
    const random = this.#random;
    const sizes = [8, 16, 24, 32, 40, 64] as const;
    const odd = [1, 3, 5, 7, 8, 8, 13, 16, 24, 27, 32, 32, 33, 48, 53, 54, 63, 64, 64] as const;
    let size = options.size ?? random.pick(this.#bytewise ? sizes : odd);
    if (this.#bytewise) size = Math.ceil(size / 8) * 8;
    const signed = options.signed ?? random.below(2) === 1;
    // Another byte order than the trace's is only possible from a byte on to a byte.
    const foreign = size % 8 === 0 && random.below(4) === 0;
    const littleEndian = options.littleEndian ?? this.#littleEndian !== foreign;
    const least = littleEndian === this.#littleEndian ? 1 : 8;
    const wanted = options.align ?? Math.max(least, random.pick([1, 1, 8, 8, 8, 16, 32, 64]));
    const align = this.#bytewise ? Math.max(8, wanted) : wanted;
    // Of 61 to 63 bits, babeltrace2 2.0.4 shows every hexadecimal number as 0x0.
    const base = random.pick(size > 60 && size < 64 ? [10, 2, 8] : [10, 10, 10, 2, 8, 16]);
    const order =
      littleEndian === this.#littleEndian && random.below(2) === 0 ? "" : littleEndian ? "le" : "be";
    const attributes = [
      `size = ${size};`,
      `align = ${align};`,
      `signed = ${signed ? "true" : random.pick(["false", "0"])};`,
      base === 10
        ? ""
        : `base = ${random.below(2) === 0 ? base : ({ 2: "binary", 8: "oct", 16: "hex" }[base] ?? base)};`,
      order === "" ? "" : `byte_order = ${order};`,
    ];
    const put = (bits: BitWriter, value: bigint): void => {
      bits.align(align);
      bits.integer(BigInt.asUintN(64, value), size, littleEndian);
    };
    return {
      tsdl: `integer { ${attributes.filter((part) => part !== "").join(" ")} }`,
      align,
      size,
      signed,
      put,
      write: (bits) => {
        const value = this.#value(size, signed);
        put(bits, value);
        return size <= 53 ? Number(value) : value;
      },
    };
  }

  #value(size: number, signed: boolean): bigint {
    const raw = (BigInt(this.#random.u32()) << 32n) | BigInt(this.#random.u32());
    const shaped = this.#random.pick([
      raw,
      raw >> BigInt(this.#random.below(64)),
      0n,
      -1n,
      1n,
      1n << BigInt(size - 1),
    ]);
    return signed ? BigInt.asIntN(size, shaped) : BigInt.asUintN(size, shaped);
  }

  any(depth: number): Type {
    const kinds = ["integer", "integer", "integer", "enum", "float", "string", "text"] as const;
    const nested = ["struct", "array", "sequence", "variant", "text-sequence"] as const;
    const kind =
      depth > 0 && this.#random.below(3) === 0
        ? this.#random.pick([...nested])
        : this.#random.pick([...kinds]);
    switch (kind) {
      case "integer":
        return this.integer();
      case "enum":
        return this.enumeration();
      case "float":
        return this.float();
      case "string":
        return this.string();
      case "text":
        return this.textArray();
      case "struct":
        return this.struct(depth - 1);
      case "array":
        return this.array(depth - 1);
      case "sequence":
        return this.sequence(depth - 1);
      case "text-sequence":
        return this.textSequence();
      case "variant":
        return this.variant(depth - 1);
    }
  }

  enumeration(): Type {
    const integer = this.integer({ size: this.#random.pick([3, 5, 8, 16, 32, 64]) });
    const negative = integer.signed ? ", neg = -3 ... -1" : "";
    const tsdl = `enum : ${integer.tsdl} { zero, one_two = 1 ... 2, three, "some text" = 2 ... 3${negative} }`;
    return {
      tsdl,
      align: integer.align,
      write: (bits) => {
        const value = BigInt(this.#random.between(integer.signed ? -4 : 0, 3));
        integer.put(bits, value);
        if (value === 0n) return LABELS[0];
        if (value === 1n || value === 2n) return LABELS[1];
        if (value === 3n) return LABELS[2];
        if (value >= -3n && value < 0n) return LABELS[4];
        return integer.size <= 53 ? Number(value) : value;
      },
    };
  }

  float(): Type {
    const [exponent, mantissa] = this.#random.pick([
      [8, 24],
      [11, 53],
    ]);
    // babeltrace2 takes a number's own size for granted below a byte.
    const align = this.#random.pick([8, 8, 16, 32, 64]);
    return {
      tsdl: `floating_point { exp_dig = ${exponent}; mant_dig = ${mantissa}; align = ${align}; }`,
      align,
      write: (bits) => {
        const view = new DataView(new ArrayBuffer(8));
        const value = this.#random.pick([
          0,
          -0,
          1.5,
          -1e-7,
          1e20,
          123_456.5,
          this.#random.u32() / 65_536,
          NaN,
          -Infinity,
          (this.#random.u32() - 2 ** 31) * 1e-12,
        ]);
        bits.align(align);
        if (exponent === 8) view.setFloat32(0, value);
        else view.setFloat64(0, value);
        const size = exponent === 8 ? 32 : 64;
        const raw = exponent === 8 ? BigInt(view.getUint32(0)) : view.getBigUint64(0);
        bits.integer(raw, size, this.#littleEndian);
        return exponent === 8 ? Math.fround(value) : value;
      },
    };
  }

  /** Not empty: babeltrace2 2.0.4 shows a field's text of before in place of an empty one. */
  text(): string {
    const parts = [
      "a",
      "some words",
      'quote " and \\ and ?',
      "tab\t new\n \x1b \x7f \x01",
      "ünïcödé ✓",
      "x".repeat(70),
    ];
    return this.#random.pick(["b", ...parts]);
  }

  string(): Type {
    return {
      tsdl: this.#random.pick(["string", "string { encoding = UTF8; }", "string { encoding = ASCII; }"]),
      align: 8,
      write: (bits) => {
        const text = this.text();
        bits.align(8);
        bits.bytes(new TextEncoder().encode(`${text}\0`));
        return text;
      },
    };
  }

  textArray(): Type {
    // Not empty: see text().
    const length = this.#random.between(1, 20);
    return {
      tsdl: `integer { size = 8; align = 8; encoding = UTF8; } @[${length}]`,
      align: 8,
      write: (bits) => {
        const text = "abcdefghijklmnopqrstuvwxyz".slice(0, this.#random.between(1, length));
        bits.align(8);
        const bytes = new Uint8Array(length);
        bytes.set(new TextEncoder().encode(text));
        bits.bytes(bytes);
        return text;
      },
    };
  }

  /** A structure whose members refer to each other. */
  struct(depth: number): Type {
    const members: [string, Type][] = [];
    for (let count = this.#random.between(0, 5); count > 0; count -= 1)
      members.push([this.name(), this.any(depth)]);
    const own = this.#random.pick([0, 0, 8, 16, 64]);
    return structOf(members, own);
  }

  array(depth: number): Type {
    const element = this.#random.below(2) === 0 ? this.integer() : this.any(depth);
    const length = this.#random.between(0, 4);
    return {
      tsdl: declarator(element.tsdl, `[${length}]`),
      align: element.align,
      write: (bits, known) => {
        bits.align(element.align);
        return Array.from({ length }, () => element.write(bits, known));
      },
    };
  }

  sequence(depth: number): Type {
    const element = this.#random.below(2) === 0 ? this.integer() : this.any(depth);
    const length = this.integer({ size: this.#random.pick([3, 8, 16, 32, 64]), signed: false });
    return structOf([
      [
        "_n",
        {
          ...length,
          write: (bits, known) => remember(bits, known, length, BigInt(this.#random.between(0, 5))),
        },
      ],
      [
        "_elements",
        {
          tsdl: declarator(element.tsdl, "[_n]"),
          align: element.align,
          write: (bits, known) => {
            const count = Number(known.get("length") ?? 0n);
            bits.align(element.align);
            return Array.from({ length: count }, () => element.write(bits, known));
          },
        },
      ],
    ]);
  }

  textSequence(): Type {
    const length = this.integer({ size: this.#random.pick([8, 16, 32]), signed: false });
    return structOf([
      [
        "n",
        {
          ...length,
          write: (bits, known) => remember(bits, known, length, BigInt(this.#random.between(1, 9))),
        },
      ],
      [
        "text",
        {
          tsdl: "integer { size = 8; align = 8; signed = false; encoding = UTF8; } @[n]",
          align: 8,
          write: (bits, known) => {
            const count = Number(known.get("length") ?? 0n);
            bits.align(8);
            bits.bytes(new TextEncoder().encode("sequence!".slice(0, count)));
            return "sequence!".slice(0, count);
          },
        },
      ],
    ]);
  }

  variant(depth: number): Type {
    const tag = this.integer({
      size: this.#random.pick([3, 8, 32, 64]),
      signed: this.#random.below(2) === 1,
    });
    const options = [this.any(depth), this.any(depth), this.struct(depth)];
    return structOf([
      [
        "tag",
        {
          tsdl: `enum : ${tag.tsdl} { first = 0, second = 1 ... 2, third = 3 }`,
          align: tag.align,
          write: (bits, known) => {
            const value = BigInt(this.#random.between(0, 3));
            remember(bits, known, tag, value);
            return ["first", "second", "second", "third"][Number(value)] ?? "";
          },
        },
      ],
      [
        "value",
        {
          tsdl: `variant <tag> { ${options
            .map((option, at) => `${declarator(option.tsdl, "", ["first", "second", "third"][at] ?? "")};`)
            .join(" ")} }`,
          align: 1,
          write: (bits, known) => {
            const value = Number(known.get("length") ?? 0n);
            return options[value === 0 ? 0 : value === 3 ? 2 : 1]?.write(bits, known) ?? 0;
          },
        },
      ],
    ]);
  }
}

/** Writes an integer that the next member refers to. */
function remember(
  bits: BitWriter,
  known: Map<string, bigint>,
  integer: { readonly size: number; put(bits: BitWriter, value: bigint): void },
  value: bigint,
): Value {
  integer.put(bits, value);
  known.set("length", value);
  return integer.size <= 53 ? Number(value) : value;
}

function structOf(members: readonly [string, Type][], own = 0): Type {
  const align = members.reduce((most, [, type]) => Math.max(most, type.align), Math.max(1, own));
  const body = members.map(([name, type]) => `${declarator(type.tsdl, "", name)};`).join(" ");
  return {
    tsdl: `struct { ${body} }${own === 0 ? "" : ` align(${own})`}`,
    align,
    write: (bits, known) => {
      bits.align(align);
      const value: { [name: string]: Value } = {};
      for (const [name, type] of members) value[name.replace(/^_/, "")] = type.write(bits, known);
      return value;
    },
  };
}

/** A declaration: `@` in a type is where the name goes, before its brackets. */
function declarator(tsdl: string, brackets: string, name?: string): string {
  const place = tsdl.includes("@") ? tsdl : `${tsdl} @`;
  // The brackets of an outer array stand before those of its elements.
  const withBrackets = place.replace(/@(?![\s\S]*@)/, `@${brackets}`);
  return name === undefined ? withBrackets : withBrackets.replace(/@(?![\s\S]*@)/, name);
}

/** A trace in a directory, and what is in it. */
export interface RandomTrace {
  readonly frequency: bigint;
  readonly offsetSeconds: bigint;
  readonly offsetCycles: bigint;
  /** In the order of their times. */
  readonly events: readonly Written[];
}

/** An event header: how metadata says it, and how it is written. */
interface Header {
  readonly tsdl: string;
  /** Bits of its shortest timestamp. */
  readonly timeSize: number;
  write(bits: BitWriter, id: number, cycles: bigint): void;
}

function writeHeader(random: Random, littleEndian: boolean, bytewise: boolean): Header {
  const unsigned = (size: number, align: number, more = ""): string =>
    `integer { size = ${size}; align = ${align}; signed = false; ${more}}`;
  const map = "map = clock.main.value; ";
  const align = random.pick([8, 8, 32]);
  if (random.below(2) === 0) {
    const timeSize = random.pick(bytewise ? [32, 64, 16, 48] : [27, 32, 64, 16, 48, 33]);
    const idSize = bytewise ? random.pick([8, 16]) : random.pick([5, 8, 16]);
    return {
      tsdl: `struct { ${unsigned(idSize, 1)} id; ${unsigned(timeSize, 1, map)} timestamp; } align(${align})`,
      timeSize,
      write: (bits, id, cycles) => {
        bits.align(align);
        bits.integer(BigInt(id), idSize, littleEndian);
        bits.integer(BigInt.asUintN(timeSize, cycles), timeSize, littleEndian);
      },
    };
  }
  // LTTng's compact header: small ids and short timestamps in 32 bits, others extended.
  return {
    tsdl: `struct {
      enum : ${unsigned(5, 1)} { compact = 0 ... 30, extended = 31 } id;
      variant <id> {
        struct { ${unsigned(27, 1, map)} timestamp; } compact;
        struct { ${unsigned(32, 8)} id; ${unsigned(64, 8, map)} timestamp; } extended;
      } v;
    } align(${align})`,
    timeSize: 27,
    write: (bits, id, cycles) => {
      bits.align(align);
      const extended = random.below(4) === 0;
      bits.integer(extended ? 31n : BigInt(id), 5, littleEndian);
      if (!extended) {
        bits.integer(BigInt.asUintN(27, cycles), 27, littleEndian);
        return;
      }
      bits.align(8);
      bits.integer(BigInt(id), 32, littleEndian);
      bits.integer(cycles, 64, littleEndian);
    },
  };
}

const UUID = "5a6b7c8d-1111-4222-8333-444455556666";

/** Writes a random trace: one stream, several packets, several event types. */
export function writeRandomTrace(random: Random, directory: string): RandomTrace {
  mkdirSync(directory, { recursive: true });
  const littleEndian = random.below(2) === 0;
  const bytewise = random.below(2) === 0;
  const types = new Types(random, littleEndian, bytewise);
  const frequency = random.pick([1_000_000_000n, 2_899_999_999n, 1_000_000n, 24_000_000n, 123_456_789n]);
  const offsetSeconds = random.pick([0n, 1_700_000_000n, 1_234_567n]);
  const offsetCycles = BigInt(random.below(2_000_000_000));
  const header = writeHeader(random, littleEndian, bytewise);
  const streamContext =
    random.below(2) === 0 ? structOf([["vpid", types.integer({ size: 32, align: 8 })]]) : undefined;
  const names = Array.from({ length: random.between(1, 4) }, (_none, at) => `event_${at}`);
  const events = names.map((name) => ({
    name,
    // babeltrace2 2.0 does not resolve references in these, so they are plain.
    context:
      random.below(3) === 0
        ? structOf([
            ["_ctx", types.integer()],
            ["label", types.string()],
          ])
        : undefined,
    fields: structOf(
      Array.from({ length: random.between(0, 6) }, (): [string, Type] => [types.name(), types.any(2)]),
      random.pick([0, 0, 8, 32]),
    ),
  }));
  const order = littleEndian ? "le" : "be";
  const plain = (size: number, more = ""): string =>
    `integer { size = ${size}; align = 8; signed = false; ${more}}`;
  const metadata = `/* CTF 1.8 */
trace {
  major = 1; minor = 8; uuid = "${UUID}"; byte_order = ${order};
  packet.header := struct { ${plain(32)} magic; ${plain(8)} uuid[16]; ${plain(32)} stream_id; };
};
clock { name = "main"; freq = ${frequency}; offset_s = ${offsetSeconds}; offset = ${offsetCycles}; };
stream {
  id = 3;
  packet.context := struct {
    ${plain(64, "byte_order = le; map = clock.main.value; ")} timestamp_begin;
    ${plain(64, "byte_order = le; map = clock.main.value; ")} timestamp_end;
    ${plain(64, "byte_order = le; ")} content_size;
    ${plain(64, "byte_order = le; ")} packet_size;
    ${plain(16)} cpu_id;
  };
  event.header := ${header.tsdl};
  ${streamContext === undefined ? "" : `event.context := ${streamContext.tsdl};`}
};
${events
  .map(
    ({ name, context, fields }, id) => `event {
  name = "${name}"; id = ${id}; stream_id = 3;
  ${context === undefined ? "" : `context := ${context.tsdl};`}
  fields := ${fields.tsdl};
};`,
  )
  .join("\n")}
`;
  writeFileSync(join(directory, "metadata"), metadata);

  const written: Written[] = [];
  const packets: Uint8Array[] = [];
  const span = 2n ** BigInt(header.timeSize === 64 ? 40 : header.timeSize);
  let cycles = BigInt(random.u32()) * random.pick([1n, 1000n, 1_000_000n]);
  for (let packet = random.between(1, 3); packet > 0; packet -= 1) {
    const bits = new BitWriter();
    bits.integer(0xc1fc1fc1n, 32, littleEndian);
    bits.bytes(
      Uint8Array.from(UUID.replaceAll("-", "").match(/../g) ?? [], (hex) => Number.parseInt(hex, 16)),
    );
    bits.integer(3n, 32, littleEndian);
    const context = bits.length;
    for (let field = 0; field < 4; field += 1) bits.integer(0n, 64, true);
    bits.integer(BigInt(packet), 16, littleEndian);
    const begin = cycles;
    for (let count = random.between(0, 12); count > 0; count -= 1) {
      const id = random.below(events.length);
      const event = events[id];
      if (event === undefined) continue;
      // A clock that wraps once between two events at most.
      cycles +=
        random.below(3) === 0
          ? (BigInt(random.u32()) * span) / 2n ** 32n
          : BigInt(random.below(1000) % 60_000);
      header.write(bits, id, cycles);
      const known = new Map<string, bigint>();
      const streamFields = streamContext?.write(bits, known);
      const contextFields = event.context?.write(bits, known);
      const fields = event.fields.write(bits, known);
      written.push({ name: event.name, cycles, fields, context: contextFields, streamContext: streamFields });
    }
    const content = bits.length;
    bits.align(8);
    bits.patch(context, begin);
    bits.patch(context + 64, cycles);
    bits.patch(context + 128, BigInt(content));
    bits.patch(context + 192, BigInt(bits.length));
    packets.push(bits.toBytes());
  }
  writeFileSync(join(directory, "stream"), Buffer.concat(packets));
  return { frequency, offsetSeconds, offsetCycles, events: written };
}
