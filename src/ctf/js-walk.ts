// Writes the JavaScript of a walk over a type's fields (field-walk.ts) in a buffer. Called by decoder.ts and packet.ts, when
// code for a class of events or a kind of packet is first needed.
//
// Generated code uses the names: `b` Uint8Array and `v` DataView of the same memory, `p` the position, `end` the limit,
// `rt` the functions of runtime.ts, `clock` the clock's value.
import { type Branch, FieldWalk, type TextPlace, unresolved } from "./field-walk.ts";
import type { References } from "./references.ts";
import * as runtime from "./runtime.ts";
import { FieldSink } from "./sink.ts";
import type { EnumType, FieldType, FloatType, IntegerType, SequenceType, VariantType } from "./types.ts";

/** An integer's value as code: a number, the halves of 64 bits, or a bigint (54 bits and more, not on a byte). */
export type IntegerCode =
  | { readonly form: "number"; readonly code: string }
  | { readonly form: "halves"; readonly low: string; readonly high: string }
  | { readonly form: "bigint"; readonly code: string };

/** A sink of a walk: it adds code with the walk's `line`. Places and counts are names or constants. */
export class JsSink extends FieldSink<IntegerCode, string, string> {}

/** How a walk behaves where its data is not as it must be, and what it keeps. */
export interface JsWalkOptions {
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
export class JsWalk extends FieldWalk<IntegerCode, string, string> {
  readonly #options: JsWalkOptions;
  readonly #references: References;
  readonly #lines: string[] = [];
  readonly #constants: unknown[] = [];
  #names = 0;

  constructor(options: JsWalkOptions, references: References) {
    super({ unit: options.unit, movesClock: options.clock });
    this.#options = options;
    this.#references = references;
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

  protected override isReferred(type: FieldType): boolean {
    return this.#references.get(type) !== undefined;
  }

  protected override integer(
    type: IntegerType | EnumType,
    integer: IntegerType,
    movesClock: boolean,
    sink: JsSink | undefined,
  ): void {
    const reference = this.#references.get(type);
    let value = this.#integerCode(integer);
    if (sink !== undefined && (reference !== undefined || movesClock)) value = this.#once(value);
    if (reference?.number !== undefined) this.line(`${reference.number} = ${numberCode(value)};`);
    if (reference?.bigint !== undefined)
      this.line(`${reference.bigint} = ${bigintCode(value, integer.signed)};`);
    // See completeClock in runtime.ts.
    if (movesClock)
      this.line(`clock = rt.completeClock(clock, ${bigintCode(value, false)}, ${integer.size});`);
    sink?.integer(type, value);
  }

  protected override real({ size, littleEndian }: FloatType): string {
    if (this.#options.unit === 8 && this.bits % 8 === 0) {
      return `v.getFloat${size}(${this.#byte(this.bits)}, ${littleEndian})`;
    }
    const at = this.#options.unit === 1 ? `p + ${this.bits}` : `p * 8 + ${this.bits}`;
    return `rt.real(b, ${at}, ${size}, ${littleEndian})`;
  }

  protected override string(): TextPlace<string> {
    const [start, end] = [this.name("s"), this.name("e")];
    this.line(`const ${start} = ${this.#byteNow()};`);
    this.line(`const ${end} = rt.nul(v, ${start});`);
    this.line(`p = ${this.#options.unit === 8 ? `${end} + 1` : `(${end} + 1) * 8`};`);
    return { start, end };
  }

  protected override text(length: number | string): TextPlace<string> {
    const [start, end] = [this.name("s"), this.name("e")];
    this.line(`const ${start} = ${this.#byteNow()};`);
    this.line(`const ${end} = rt.nulBefore(b, ${start}, ${start} + ${length});`);
    return { start, end };
  }

  protected override said(type: SequenceType): string {
    return this.#references.get(type.length)?.number ?? unresolved();
  }

  /** It fits an index, which compilers like to know. */
  protected override counted(said: string): string {
    const count = this.name("n");
    this.line(`const ${count} = ${said} | 0;`);
    return count;
  }

  protected override count(length: number): string {
    return String(length);
  }

  protected override counter(): string {
    return this.name("i");
  }

  protected override loop(counter: string, count: string, write: () => void): void {
    this.line(`for (let ${counter} = 0; ${counter} < ${count}; ${counter}++) {`);
    write();
    this.line("}");
  }

  protected override choose(type: VariantType, branches: readonly Branch[]): void {
    const reference = this.#references.get(type.tag) ?? unresolved();
    const name = reference.bigint ?? reference.number ?? unresolved();
    const suffix = reference.bigint === undefined ? "" : "n";
    for (const { ranges, write } of branches) {
      if (ranges.length === 0) continue;
      const tests = ranges.map(({ first, last }) => rangeTest(name, first, last, suffix));
      this.line(`if (${tests.join(" || ")}) {`);
      write();
      this.line("} else");
    }
    this.line(`{ ${this.#options.badTag ?? ""} }`);
  }

  protected override move(units: number): void {
    this.line(`p += ${units};`);
  }

  protected override moveBy(count: string, unitsEach: number): void {
    this.line(`p += ${count} * ${unitsEach};`);
  }

  protected override moveToAligned(units: number, align: number): void {
    this.line(`p = (p + ${units}) & ${-align};`);
  }

  protected override checkEnd(units: number): void {
    const { overrun } = this.#options;
    if (overrun === undefined) return;
    this.line(`if (p${units === 0 ? "" : ` + ${units}`} > end) { ${overrun} }`);
  }

  protected override checkLength(said: string, bitsEach: number): void {
    const { overrun, unit } = this.#options;
    if (overrun === undefined) return;
    this.line(`if (!(${said} * ${bitsEach / unit} <= end - p)) { ${overrun} }`);
  }

  protected override spend(elements: number | string): void {
    const { endless } = this.#options;
    if (endless === undefined) return;
    this.line(`if (!((budget -= ${elements}) >= 0)) { ${endless} }`);
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
      const place = `b, p + ${this.bits}, ${size}, ${littleEndian}, ${signed}`;
      return size <= 53
        ? { form: "number", code: `rt.bits(${place})` }
        : { form: "bigint", code: `rt.bigBits(${place})` };
    }
    const at = this.#byte(this.bits);
    const shift = this.bits % 8;
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
      const second = `v.getUint32(${this.#byte(this.bits + 32)}, ${littleEndian})`;
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

  #byteNow(): string {
    return this.#options.unit === 8 ? this.#byte(this.bits) : `(p + ${this.bits}) >>> 3`;
  }

  #byte(bits: number): string {
    const bytes = bits >>> 3;
    return bytes === 0 ? "p" : `p + ${bytes}`;
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
