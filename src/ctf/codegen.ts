// Generates the code that walks over the fields of a type in a buffer. The walk knows at generation time where it is as
// far as the types tell: offsets are constants, alignment is computed once, and nothing is looked up per field when the
// code runs. What is done with each field's value is the sink's: nothing (skip), an object, columns, text.
//
// Generated code uses the names: `b` Uint8Array and `v` DataView of the same memory, `p` the position, `end` the limit,
// `rt` the functions of runtime.ts, `clock` the clock's value. Positions count bytes (unit 8) when
// every field of the stream class starts and ends on one where that cannot be known beforehand; bits (unit 1) otherwise.
import { lowestBit, MAX_ALIGN, minimumBits, NotBytewise, REACH, roundUp, staticBits } from "./layout.ts";
import { childrenOf } from "./meanings.ts";
import type { References } from "./references.ts";
import * as runtime from "./runtime.ts";
import { FieldSink } from "./sink.ts";
import {
  alignmentOf,
  type ArrayType,
  type EnumType,
  type FieldType,
  type FloatType,
  type IntegerType,
  integerOf,
  type SequenceType,
  type StringType,
  type StructType,
  type VariantType,
} from "./types.ts";

/** An integer's value as code: a number, the halves of 64 bits, or a bigint (54 bits and more, not on a byte). */
export type IntegerCode =
  | { readonly form: "number"; readonly code: string }
  | { readonly form: "halves"; readonly low: string; readonly high: string }
  | { readonly form: "bigint"; readonly code: string };

/** A sink of a walk: it adds code with the walk's `line`. Places and counts are names or constants. */
export class Sink extends FieldSink<IntegerCode, string, string> {}

/** How a walk behaves where its data is not as it must be, and what it keeps. */
export interface WalkOptions {
  /** 8 to count positions in bytes, 1 to count bits. */
  readonly unit: 8 | 1;
  /** Statements to run when the data ends too early; without them nothing is checked. */
  readonly overrun?: string | undefined;
  /** Statements to run when a variant's tag chooses nothing. */
  readonly badTag?: string | undefined;
  /** Statements to run after too many array elements without data. */
  readonly endless?: string | undefined;
  /** Whether fields that are clock values move the clock. */
  readonly clock: boolean;
}

/** Generates one walk. Create it, call {@link walk} for one type after the other, and {@link compile} it. */
export class Walk {
  readonly #options: WalkOptions;
  readonly #references: References;
  readonly #lines: string[] = [];
  readonly #constants: unknown[] = [];
  #names = 0;
  /** The current position is `p` and this many bits. */
  #bits = 0;
  /** `p` is a multiple of this many bits, counted from the packet's start. */
  #aligned: number;
  /**
   * Bytes by which `p` may be after the data's end. Reading there is harmless as long as it stays in the buffer's slack,
   * so one check serves many fields.
   */
  #beyond = 0;

  constructor(options: WalkOptions, references: References) {
    this.#options = options;
    this.#references = references;
    this.#aligned = options.unit;
  }

  /** Adds a line of code; sinks do too. */
  line(code: string): void {
    this.#lines.push(code);
  }

  /** A name for a value that the code needs and that is not code. */
  constant(value: unknown): string {
    this.#constants.push(value);
    return `k${this.#constants.length - 1}`;
  }

  /**
   * Compiles a function of the walk: the code `before` it, it, and the code `after`. F is what the code was written to
   * be; nothing can check that.
   */
  compile<F extends (...parameters: never[]) => unknown>(
    parameters: string,
    before: string,
    after: string,
  ): F {
    const names = this.#constants.map((_value, index) => `k${index}`);
    const code = `"use strict"; return function (${parameters}) {\n${before}\n${this.#lines.join("\n")}\n${after}\n};`;
    const make = new Function("rt", ...names, code);
    return make(RUNTIME, ...this.#constants);
  }

  /** A name not used before in this walk. */
  name(prefix: string): string {
    this.#names += 1;
    return `${prefix}${this.#names}`;
  }

  /** Makes `p` the position. */
  flush(): void {
    const { unit } = this.#options;
    if (this.#bits % unit !== 0) throw new NotBytewise();
    if (this.#bits === 0) return;
    const bits = this.#bits;
    this.line(`p += ${bits / unit};`);
    this.#aligned = this.#alignmentNow();
    this.#bits = 0;
    this.#moved(bits / 8);
  }

  /** Begins again at `p`, about whose alignment nothing is known: at the begin of a branch, and after several. */
  restart(): void {
    this.#bits = 0;
    this.#aligned = this.#options.unit;
    this.#beyond = 0;
  }

  /** Visits a type; its fields go to `sink`, if there is one. */
  walk(type: FieldType, sink: Sink | undefined): void {
    switch (type.kind) {
      case "integer":
      case "enum":
        this.#integer(type, sink);
        return;
      case "float":
        this.#align(type.align);
        if (sink !== undefined) {
          this.#reach(type.size);
          sink.real(type, this.#realCode(type));
        }
        this.#bits += type.size;
        return;
      case "string":
        this.#string(type, sink);
        return;
      case "struct":
        this.#struct(type, sink);
        return;
      case "variant":
        this.#variant(type, sink);
        return;
      case "array":
        this.#array(type, sink);
        return;
      case "sequence":
        this.#sequence(type, sink);
        return;
    }
  }

  #integer(type: IntegerType | EnumType, sink: Sink | undefined): void {
    const integer = integerOf(type) ?? unreachable();
    this.#align(integer.align);
    const reference = this.#references.get(type);
    const movesClock = this.#options.clock && integer.clock !== undefined && !integer.signed;
    if (sink !== undefined || reference !== undefined || movesClock) {
      this.#reach(integer.size);
      let value = this.#integerCode(integer);
      if (sink !== undefined && (reference !== undefined || movesClock)) value = this.#once(value);
      if (reference !== undefined) {
        if (reference.number !== undefined) this.line(`${reference.number} = ${numberCode(value)};`);
        if (reference.bigint !== undefined)
          this.line(`${reference.bigint} = ${bigintCode(value, integer.signed)};`);
      }
      if (movesClock) this.#moveClock(value, integer.size);
      sink?.integer(type, value);
    }
    this.#bits += integer.size;
  }

  /** The value in variables, for what needs it more than once. */
  #once(value: IntegerCode): IntegerCode {
    if (value.form === "halves") {
      const [low, high] = [this.name("l"), this.name("h")];
      this.line(`const ${low} = ${value.low}, ${high} = ${value.high};`);
      return { form: "halves", low, high };
    }
    const code = this.name("u");
    this.line(`const ${code} = ${value.code};`);
    return { form: value.form, code };
  }

  #integerCode({ size, signed, littleEndian }: IntegerType): IntegerCode {
    if (this.#options.unit === 1) {
      const place = `b, p + ${this.#bits}, ${size}, ${littleEndian}, ${signed}`;
      return size <= 53
        ? { form: "number", code: `rt.bits(${place})` }
        : { form: "bigint", code: `rt.bigBits(${place})` };
    }
    const at = this.#byte(this.#bits);
    const shift = this.#bits % 8;
    const sign = signed ? "Int" : "Uint";
    if (shift === 0 && size === 8) return { form: "number", code: signed ? `v.getInt8(${at})` : `b[${at}]` };
    if (shift === 0 && (size === 16 || size === 32)) {
      return {
        form: "number",
        code: `v.get${sign}${size}(${at}, ${littleEndian})`,
      };
    }
    if (shift === 0 && size === 64) {
      const first = `v.getUint32(${at}, ${littleEndian})`;
      const second = `v.getUint32(${this.#byte(this.#bits + 32)}, ${littleEndian})`;
      return {
        form: "halves",
        low: littleEndian ? first : second,
        high: littleEndian ? second : first,
      };
    }
    if (shift + size <= 32) {
      // Up to the word's top, then down: the bits above go, and the sign comes along or does not.
      const left = littleEndian ? 32 - shift - size : shift;
      const down = signed ? ">>" : ">>>";
      return {
        form: "number",
        code: `((v.getUint32(${at}, ${littleEndian}) << ${left}) ${down} ${32 - size})`,
      };
    }
    const place = `b, (${at}) * 8 + ${shift}, ${size}, ${littleEndian}, ${signed}`;
    return size <= 53
      ? { form: "number", code: `rt.bits(${place})` }
      : { form: "bigint", code: `rt.bigBits(${place})` };
  }

  #realCode({ size, littleEndian }: FloatType): string {
    if (this.#options.unit === 8 && this.#bits % 8 === 0) {
      return `v.getFloat${size}(${this.#byte(this.#bits)}, ${littleEndian})`;
    }
    const at = this.#options.unit === 1 ? `p + ${this.#bits}` : `p * 8 + ${this.#bits}`;
    return `rt.real(b, ${at}, ${size}, ${littleEndian})`;
  }

  /** Completes the clock's value with a field's: see completeClock in runtime.ts. */
  #moveClock(value: IntegerCode, size: number): void {
    this.line(`clock = rt.completeClock(clock, ${bigintCode(value, false)}, ${size});`);
  }

  #string(type: StringType, sink: Sink | undefined): void {
    this.#align(8);
    this.#reach(8);
    const start = this.name("s");
    const stop = this.name("e");
    this.line(`const ${start} = ${this.#byteNow()};`);
    this.line(`const ${stop} = rt.nul(v, ${start});`);
    this.#moveTo(`${stop} + 1`);
    sink?.text(type, start, stop);
  }

  #struct(type: StructType, sink: Sink | undefined): void {
    this.#align(type.align);
    sink?.beginStruct(type);
    for (const member of type.members) {
      if (sink?.wants(member) !== true) {
        this.walk(member.type, undefined);
        continue;
      }
      sink.beginMember(member);
      this.walk(member.type, sink);
      sink.endMember(member);
    }
    sink?.endStruct(type);
  }

  #variant(type: VariantType, sink: Sink | undefined): void {
    const reference = this.#references.get(type.tag) ?? unreachable();
    const name = reference.bigint ?? reference.number ?? unreachable();
    const suffix = reference.bigint === undefined ? "" : "n";
    // The branches must leave the walk in one state, so each ends with the position in `p`.
    // A tag from behind the data's end would choose at random.
    this.#check();
    const before = { bits: this.#bits, aligned: this.#aligned };
    let aligned = MAX_ALIGN;
    let beyond = 0;
    sink?.beginVariant(type);
    type.options.forEach((option, index) => {
      const tests = type.choices
        .filter((choice) => choice.option === index)
        .map(({ first, last }) => rangeTest(name, first, last, suffix));
      if (tests.length === 0) return;
      this.line(`if (${tests.join(" || ")}) {`);
      this.#bits = before.bits;
      this.#aligned = before.aligned;
      this.#beyond = 0;
      if (sink?.wants(option) === true) {
        sink.beginOption(option);
        this.walk(option.type, sink);
        sink.endOption(option);
      } else {
        this.walk(option.type, undefined);
      }
      this.flush();
      aligned = Math.min(aligned, this.#aligned);
      beyond = Math.max(beyond, this.#beyond);
      this.line("} else");
    });
    this.line(`{ ${this.#options.badTag ?? ""} }`);
    sink?.endVariant(type);
    this.#bits = 0;
    this.#beyond = beyond;
    this.#aligned = aligned;
  }

  #array(type: ArrayType, sink: Sink | undefined): void {
    this.#align(alignmentOf(type));
    if (type.text && sink !== undefined) {
      this.#reach(type.length * 8);
      const start = this.name("s");
      const stop = this.name("e");
      this.line(`const ${start} = ${this.#byteNow()};`);
      this.line(`const ${stop} = rt.nulBefore(b, ${start}, ${start} + ${type.length});`);
      this.#bits += type.length * 8;
      sink.text(type, start, stop);
      return;
    }
    this.#spend(String(type.length), type.element);
    const stride = this.#stride(type.element, sink);
    if (stride !== undefined) this.#bits += stride * type.length;
    else this.#elements(type, String(type.length), sink);
  }

  #sequence(type: SequenceType, sink: Sink | undefined): void {
    this.#align(alignmentOf(type));
    this.flush();
    const { unit } = this.#options;
    const said = this.#references.get(type.length)?.number ?? unreachable();
    const size = alignmentOf(type.element) <= unit ? staticBits(type.element) : undefined;
    this.#checkLength(said, (type.text ? 8 : (size ?? minimumBits(type.element))) / unit);
    if (!type.text) this.#spend(said, type.element);
    // Now it fits an index, which compilers like to know.
    const length = this.name("n");
    this.line(`const ${length} = ${said} | 0;`);
    if (type.text) {
      const start = this.name("s");
      const stop = this.name("e");
      if (sink !== undefined) {
        this.line(`const ${start} = ${this.#byteNow()};`);
        this.line(`const ${stop} = rt.nulBefore(b, ${start}, ${start} + ${length});`);
      }
      this.line(`p += ${length} * ${8 / unit};`);
      this.#aligned = 8;
      this.#beyond = 0;
      sink?.text(type, start, stop);
      return;
    }
    const stride = this.#stride(type.element, sink);
    if (stride !== undefined && stride % unit === 0) {
      this.line(`p += ${length} * ${stride / unit};`);
      this.#aligned = Math.min(this.#aligned, lowestBit(stride));
      this.#beyond = size === undefined ? Infinity : 0;
      this.#moved(0);
      return;
    }
    this.#elements(type, length, sink);
  }

  /** A loop over elements, where there is something to do with each, or their sizes differ. */
  #elements(type: ArrayType | SequenceType, length: string, sink: Sink | undefined): void {
    this.flush();
    const index = this.name("i");
    sink?.beginArray(type, length, index);
    this.line(`for (let ${index} = 0; ${index} < ${length}; ${index}++) {`);
    // An element may end less aligned than it begins, and later than the data.
    this.restart();
    this.#checkElements(type);
    sink?.beginElement(index);
    this.walk(type.element, sink);
    sink?.endElement(index);
    this.flush();
    this.line("}");
    this.restart();
    this.#checkElements(type);
    sink?.endArray(type);
  }

  /** Checks each element; those of one size were checked with the length of their sequence. */
  #checkElements(type: ArrayType | SequenceType): void {
    const { unit } = this.#options;
    if (
      type.kind === "sequence" &&
      alignmentOf(type.element) <= unit &&
      staticBits(type.element) !== undefined
    )
      return;
    this.#beyond = Infinity;
    this.#moved(0);
  }

  /** Counts elements that may have no data: nothing else bounds how many there are. */
  #spend(length: string, element: FieldType): void {
    const { endless } = this.#options;
    if (endless === undefined || minimumBits(element) > 0) return;
    this.line(`if (!((budget -= ${length}) >= 0)) { ${endless} }`);
  }

  /** Bits from one element to the next, where they are the same for all and nothing is to be done with any. */
  #stride(element: FieldType, sink: Sink | undefined): number | undefined {
    if (sink !== undefined || this.#isNeeded(element)) return undefined;
    const size = staticBits(element);
    return size !== undefined && size % alignmentOf(element) === 0 ? size : undefined;
  }

  /** Whether a type holds a field that the walk must read, whatever the sink. */
  #isNeeded(type: FieldType): boolean {
    if (this.#references.get(type) !== undefined) return true;
    if (this.#options.clock && integerOf(type)?.clock !== undefined) return true;
    return childrenOf(type).some((child) => this.#isNeeded(child));
  }

  #align(align: number): void {
    if (align <= this.#aligned) {
      this.#bits = roundUp(this.#bits, align);
      return;
    }
    const { unit } = this.#options;
    const units = align / unit;
    const skipped = Math.ceil(this.#bits / unit) + units - 1;
    this.line(`p = (p + ${skipped}) & ${-units};`);
    this.#bits = 0;
    this.#aligned = align;
    this.#moved((skipped * unit) / 8);
  }

  /** Notes that `p` moved by at most so many bytes, and keeps it in the slack. */
  #moved(bytes: number): void {
    this.#beyond += Math.ceil(bytes);
    if (this.#beyond > REACH) this.#check();
  }

  /** Makes sure that a field of so many bits is in the buffer. */
  #reach(bits: number): void {
    const ahead = Math.ceil((this.#bits + bits) / 8);
    if (this.#beyond + ahead <= REACH) return;
    this.#check();
    const { overrun, unit } = this.#options;
    if (overrun === undefined || ahead <= REACH) return;
    this.line(`if (p + ${Math.ceil((this.#bits + bits) / unit)} > end) { ${overrun} }`);
  }

  /** Emits the check that what was read so far is in the data. */
  #check(): void {
    const { overrun, unit } = this.#options;
    const ahead = Math.ceil(this.#bits / unit);
    if (overrun === undefined || this.#beyond + ahead === 0) return;
    this.line(`if (p${ahead === 0 ? "" : ` + ${ahead}`} > end) { ${overrun} }`);
    this.#beyond = 0;
  }

  #checkLength(length: string, unitsEach: number): void {
    const { overrun } = this.#options;
    if (overrun === undefined) return;
    this.line(`if (!(${length} * ${unitsEach} <= end - p)) { ${overrun} }`);
  }

  #moveTo(byte: string): void {
    const passed = this.#bits / 8 + 1;
    this.line(`p = ${this.#options.unit === 8 ? byte : `(${byte}) * 8`};`);
    this.#bits = 0;
    this.#aligned = 8;
    this.#moved(passed);
  }

  #byteNow(): string {
    return this.#options.unit === 8 ? this.#byte(this.#bits) : `(p + ${this.#bits}) >>> 3`;
  }

  #byte(bits: number): string {
    const bytes = bits >>> 3;
    return bytes === 0 ? "p" : `p + ${bytes}`;
  }

  #alignmentNow(): number {
    return this.#bits === 0 ? this.#aligned : Math.min(this.#aligned, lowestBit(this.#bits));
  }
}

// A plain object: the namespace of a module is looked up slowly.
const RUNTIME = { ...runtime };

/** Code of the value as a number; integers beyond 2^53 lose their lowest bits. */
export function numberCode(value: IntegerCode): string {
  if (value.form === "number") return value.code;
  return value.form === "halves" ? `(${value.high} * 4294967296 + ${value.low})` : `Number(${value.code})`;
}

/** Code of the value as a bigint. */
export function bigintCode(value: IntegerCode, signed: boolean): string {
  if (value.form === "halves") return `rt.join(${value.low}, ${value.high}, ${signed})`;
  return value.form === "bigint" ? value.code : `BigInt(${value.code})`;
}

function rangeTest(name: string, first: bigint, last: bigint, suffix: string): string {
  if (first === last) return `${name} === ${first}${suffix}`;
  return `(${name} >= ${first}${suffix} && ${name} <= ${last}${suffix})`;
}

function unreachable(): never {
  throw new Error("a type whose paths are not resolved");
}
