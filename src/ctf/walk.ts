// Generates the WebAssembly that walks over the fields of a type in a stream's data. The walk knows at generation time
// where it is as far as the types tell: offsets are constants, alignment is computed once, and nothing is looked up per
// field when the code runs. What is done with each field's value is the sink's: nothing, columns, text.
//
// Positions count bytes (unit 8) when every field of the stream class starts and ends on one where that cannot be known
// beforehand: they are addresses then. Otherwise they count bits (unit 1) from the begin of the data. Integers are 64 bits
// wide in the code, whatever their fields are.
import { lowestBit, MAX_ALIGN, minimumBits, NotBytewise, REACH, roundUp, staticBits } from "./layout.ts";
import { childrenOf } from "./meanings.ts";
import { SCAN_STOP } from "./scan-state.ts";
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
import { call, type Code, f64, FunctionCode, get, i32, i64, type Local, tee } from "./wasm.ts";

/** A sink of a walk. Places are addresses; they and counts are 32 bits wide. */
export class WasmSink extends FieldSink<Local, Code, Local> {}

/** What a walk's function gives it: where it is, and what happens where the data is not as it must be. */
export interface WalkFrame {
  readonly code: FunctionCode;
  /** 8 to count positions in bytes, 1 to count bits. */
  readonly unit: 8 | 1;
  /** The position; where the data ends, in the same units; the address at which it begins. */
  readonly p: Local;
  readonly end: Local;
  readonly base: Local;
  /** The clock's value, which fields move; without it they do not. */
  readonly clock: Local | undefined;
  /** Elements without data that may still come, see ELEMENT_BUDGET. */
  readonly budget: Local;
  /** Variables of the fields that others need: tags and lengths. */
  readonly references: ReadonlyMap<FieldType, Local>;
  readonly helpers: Helpers;
  /** Adds code that leaves the walk, for one of the reasons {@link SCAN_STOP}. */
  fail(stop: number): void;
}

/** Indexes of the functions that walks call, in their module. */
export interface Helpers {
  /** Address of the first NUL from an address on, or the second address. */
  readonly nulBefore: number;
  /** The bytes of an integer the other way round. */
  readonly swap: number;
}

/** The functions of {@link Helpers}, which begin at an index of their module. */
export function makeHelpers(first: number): {
  functions: { name: string; code: FunctionCode }[];
  helpers: Helpers;
} {
  return {
    functions: [
      { name: "nulBefore", code: nulBeforeFunction() },
      { name: "swap", code: swapFunction() },
    ],
    helpers: { nulBefore: first, swap: first + 1 },
  };
}

function nulBeforeFunction(): FunctionCode {
  const code = new FunctionCode(["i32", "i32"], ["i32"]);
  const [at = unreachable(), end = unreachable()] = code.parameters;
  const done = code.block();
  const again = code.loop();
  code.jumpIf(i32.eqz(i32.ltU(get(at), get(end))), done);
  code.jumpIf(i32.eqz(i32.load8(get(at))), done);
  code.set(at, i32.add(get(at), i32.const(1)));
  code.jump(again);
  code.end();
  code.end();
  code.add(get(at));
  return code;
}

function swapFunction(): FunctionCode {
  const code = new FunctionCode(["i64"], ["i64"]);
  const value = code.parameters[0] ?? unreachable();
  for (const [shift, mask] of [
    [8, 0x00ff_00ff_00ff_00ffn],
    [16, 0x0000_ffff_0000_ffffn],
    [32, 0x0000_0000_ffff_ffffn],
  ] as const) {
    const up = i64.shl(i64.and(get(value), i64.const(mask)), i64.const(shift));
    const down = i64.and(i64.shrU(get(value), i64.const(shift)), i64.const(mask));
    code.set(value, i64.or(up, down));
  }
  code.add(get(value));
  return code;
}

/** Generates one walk. Create it, and call {@link walk} for one type after the other. */
export class WasmWalk {
  readonly #frame: WalkFrame;
  readonly #code: FunctionCode;
  /** The current position is `p` and this many bits. */
  #bits = 0;
  /** `p` is a multiple of this many bits, counted from the packet's start. */
  #aligned: number;
  /**
   * Bytes by which `p` may be after the data's end. Reading there is harmless as long as it stays in the buffer's slack,
   * so one check serves many fields.
   */
  #beyond = 0;

  constructor(frame: WalkFrame) {
    this.#frame = frame;
    this.#code = frame.code;
    this.#aligned = frame.unit;
  }

  /** Makes `p` the position. */
  flush(): void {
    const { unit, p } = this.#frame;
    if (this.#bits % unit !== 0) throw new NotBytewise();
    if (this.#bits === 0) return;
    const units = this.#bits / unit;
    if (this.#bits / 8 > REACH) this.#checkEnd(units);
    this.#code.set(p, i32.add(get(p), i32.const(units)));
    this.#aligned = this.#alignmentNow();
    const passed = this.#bits / 8;
    this.#bits = 0;
    this.#moved(passed > REACH ? 0 : passed);
  }

  /** Begins again at `p`, about whose alignment nothing is known: at the begin of a branch, and after several. */
  restart(): void {
    this.#bits = 0;
    this.#aligned = this.#frame.unit;
    this.#beyond = 0;
  }

  /** Visits a type; its fields go to `sink`, if there is one. */
  walk(type: FieldType, sink: WasmSink | undefined): void {
    switch (type.kind) {
      case "integer":
      case "enum":
        this.#integer(type, sink);
        return;
      case "float":
        this.#align(type.align);
        if (sink !== undefined) {
          this.#reach(type.size);
          sink.real(type, this.#real(type));
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

  #integer(type: IntegerType | EnumType, sink: WasmSink | undefined): void {
    const integer = integerOf(type) ?? unreachable();
    this.#align(integer.align);
    const { references, clock } = this.#frame;
    const reference = references.get(type);
    const movedClock = integer.clock !== undefined && !integer.signed ? clock : undefined;
    if (sink !== undefined || reference !== undefined || movedClock !== undefined) {
      this.#reach(integer.size);
      const value = reference ?? this.#code.local("i64");
      this.#code.set(value, this.#bitField(integer));
      if (movedClock !== undefined) this.#moveClock(movedClock, get(value), integer.size);
      sink?.integer(type, value);
    }
    this.#bits += integer.size;
  }

  /** The bits of a field here as an integer, in one load where there is one for it. */
  #bitField(type: Pick<IntegerType, "size" | "signed" | "littleEndian">): Code {
    const { size, signed, littleEndian } = type;
    const { unit, p, base } = this.#frame;
    const shiftRight = signed ? i64.shrS : i64.shrU;
    if (unit === 1) {
      const at = i32.add(get(p), i32.const(this.#bits));
      const address = i32.add(get(base), i32.shrU(at, i32.const(3)));
      const shift = i64.extendU(i32.and(at, i32.const(7)));
      return this.#longField(type, address, 0, shift);
    }
    // What is farther is in no window: the check before stops there.
    const offset = Math.min(Math.floor(this.#bits / 8), MAX_COUNT);
    const shift = this.#bits % 8;
    const at = get(p);
    if (shift + size > 64) return this.#longField(type, at, offset, i64.const(shift));
    const width = [8, 16, 32, 64].find((bits) => shift + size <= bits) ?? 64;
    if (littleEndian) {
      if (shift === 0 && size === width)
        return (signed ? SIGNED_LOADS : LOADS)[width]?.(at, offset) ?? unreachable();
      const word = LOADS[width]?.(at, offset) ?? unreachable();
      // Up to the word's top, then down: the bits above go, and the sign comes along or does not.
      return shiftRight(i64.shl(word, i64.const(64 - shift - size)), i64.const(64 - size));
    }
    if (width === 8) {
      const word = i64.shl(i64.load8U(at, offset), i64.const(56 + shift));
      return shiftRight(word, i64.const(64 - size));
    }
    // Reading eight bytes is no dearer than fewer, and puts them at the top.
    const word = call(this.#frame.helpers.swap, i64.load(at, offset));
    return shiftRight(i64.shl(word, i64.const(shift)), i64.const(64 - size));
  }

  /** As {@link #bitField}, of a field that may begin at any bit of a byte and reach into a ninth. */
  #longField(
    { size, signed, littleEndian }: Pick<IntegerType, "size" | "signed" | "littleEndian">,
    address: Code,
    offset: number,
    shift: Code,
  ): Code {
    const shiftRight = signed ? i64.shrS : i64.shrU;
    const down = i64.const(64 - size);
    const word = i64.load(address, offset);
    const ninth = i64.load8U(address, offset + 8);
    const isLong = size > 57;
    if (littleEndian) {
      let bits = i64.shrU(word, shift);
      // In two steps: a shift by 64 would be one by none.
      if (isLong) {
        const up = i64.sub(i64.const(63), shift);
        bits = i64.or(bits, i64.shl(i64.shl(ninth, i64.const(1)), up));
      }
      return shiftRight(i64.shl(bits, down), down);
    }
    let bits = i64.shl(call(this.#frame.helpers.swap, word), shift);
    if (isLong) bits = i64.or(bits, i64.shrU(ninth, i64.sub(i64.const(8), shift)));
    return shiftRight(bits, down);
  }

  #real({ size, littleEndian }: FloatType): Code {
    if (this.#frame.unit === 8 && this.#bits % 8 === 0 && littleEndian) {
      return (size === 64 ? f64.load : f64.load32)(get(this.#frame.p), Math.min(this.#bits / 8, MAX_COUNT));
    }
    const bits = this.#bitField({ size, signed: false, littleEndian });
    return size === 64 ? f64.ofBits(bits) : f64.ofBits32(i32.wrap(bits));
  }

  /**
   * Completes the clock's value with a field's: its bits replace the clock's lowest, and the clock wrapped once if they
   * are fewer than before (as babeltrace2 completes truncated timestamps).
   */
  #moveClock(clock: Local, value: Code, size: number): void {
    if (size === 64) {
      this.#code.set(clock, value);
      return;
    }
    const difference = i64.and(i64.sub(value, get(clock)), i64.const((1n << BigInt(size)) - 1n));
    this.#code.set(clock, i64.add(get(clock), difference));
  }

  #string(type: StringType, sink: WasmSink | undefined): void {
    this.#align(8);
    this.#reach(8);
    const { p, base, unit } = this.#frame;
    const start = this.#set(this.#byteNow());
    const stop = this.#nul(start);
    const next = i32.add(get(stop), i32.const(1));
    const passed = this.#bits / 8 + 1;
    this.#code.set(p, unit === 8 ? next : i32.shl(i32.sub(next, get(base)), i32.const(3)));
    this.#bits = 0;
    this.#aligned = 8;
    this.#moved(passed);
    sink?.text(type, start, stop);
  }

  #struct(type: StructType, sink: WasmSink | undefined): void {
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

  #variant(type: VariantType, sink: WasmSink | undefined): void {
    const tag = this.#frame.references.get(type.tag ?? unreachable()) ?? unreachable();
    const integer = integerOf(type.tag) ?? unreachable();
    // The branches must leave the walk in one state, so each ends with the position in `p`.
    // A tag from behind the data's end would choose at random.
    this.#check();
    const before = { bits: this.#bits, aligned: this.#aligned };
    let aligned = MAX_ALIGN;
    let beyond = 0;
    sink?.beginVariant(type);
    const done = this.#code.block();
    type.options.forEach((option, index) => {
      const tests = type.choices
        .filter((choice) => choice.option === index)
        .map(({ first, last }) => rangeTest(tag, integer, first, last))
        .filter((test) => test !== undefined);
      const [test, ...more] = tests;
      if (test === undefined) return;
      this.#code.if(more.reduce((any, one) => i32.or(any, one), test));
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
      this.#code.jump(done);
      this.#code.end();
    });
    this.#frame.fail(SCAN_STOP.badTag);
    this.#code.end();
    sink?.endVariant(type);
    this.#bits = 0;
    this.#beyond = beyond;
    this.#aligned = aligned;
  }

  #array(type: ArrayType, sink: WasmSink | undefined): void {
    this.#align(alignmentOf(type));
    if (type.text && sink !== undefined) {
      this.#reach(type.length * 8);
      const { start, end } = this.#text(i32.const(type.length));
      this.#bits += type.length * 8;
      sink.text(type, start, end);
      return;
    }
    this.#spend(i64.const(type.length), type.element);
    const stride = this.#stride(type.element, sink);
    if (stride !== undefined) {
      this.#bits += stride * type.length;
      return;
    }
    this.#elements(type, this.#set(i32.const(type.length)), sink);
  }

  #sequence(type: SequenceType, sink: WasmSink | undefined): void {
    this.#align(alignmentOf(type));
    this.flush();
    const { unit, p } = this.#frame;
    const field = type.length ?? unreachable();
    const said = this.#frame.references.get(field) ?? unreachable();
    const size = alignmentOf(type.element) <= unit ? staticBits(type.element) : undefined;
    const stride = type.text ? 8 : this.#stride(type.element, sink);
    const isStrided = stride !== undefined && stride % unit === 0;
    this.#checkLength(said, isStrided ? stride : (size ?? minimumBits(type.element)));
    if (!type.text) this.#spend(get(said), type.element);
    const length = this.#set(i32.wrap(get(said)));
    if (isStrided) {
      const text = sink === undefined ? undefined : this.#text(get(length));
      this.#code.set(p, i32.add(get(p), i32.mul(get(length), i32.const(stride / unit))));
      this.#aligned = type.text ? 8 : Math.min(this.#aligned, lowestBit(stride));
      this.#beyond = 0;
      if (text !== undefined) sink?.text(type, text.start, text.end);
      return;
    }
    this.#elements(type, length, sink);
  }

  /** Text that begins here: up to a NUL, or so many bytes. */
  #text(length: Code): { start: Local; end: Local } {
    const start = this.#set(this.#byteNow());
    const limit = i32.add(get(start), length);
    return { start, end: this.#set(call(this.#frame.helpers.nulBefore, get(start), limit)) };
  }

  /** A loop over elements, where there is something to do with each, or their sizes differ. */
  #elements(type: ArrayType | SequenceType, length: Local, sink: WasmSink | undefined): void {
    this.flush();
    const code = this.#code;
    const index = this.#set(i32.const(0));
    sink?.beginArray(type, length, index);
    const done = code.block();
    const again = code.loop();
    code.jumpIf(i32.eqz(i32.ltU(get(index), get(length))), done);
    // An element may end less aligned than it begins, and later than the data.
    this.restart();
    this.#checkElements(type);
    sink?.beginElement(index);
    this.walk(type.element, sink);
    sink?.endElement(index);
    this.flush();
    code.set(index, i32.add(get(index), i32.const(1)));
    code.jump(again);
    code.end();
    code.end();
    this.restart();
    this.#checkElements(type);
    sink?.endArray(type);
  }

  /** Checks each element; those of one size were checked with the length of their sequence. */
  #checkElements(type: ArrayType | SequenceType): void {
    const { unit } = this.#frame;
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
  #spend(length: Code, element: FieldType): void {
    if (minimumBits(element) > 0) return;
    const { budget } = this.#frame;
    this.#code.if(i64.gtU(length, get(budget)));
    this.#frame.fail(SCAN_STOP.endless);
    this.#code.end();
    this.#code.set(budget, i64.sub(get(budget), length));
  }

  /** Bits from one element to the next, where they are the same for all and nothing is to be done with any. */
  #stride(element: FieldType, sink: WasmSink | undefined): number | undefined {
    if (sink !== undefined || this.#isNeeded(element)) return undefined;
    const size = staticBits(element);
    return size !== undefined && size % alignmentOf(element) === 0 ? size : undefined;
  }

  /** Whether a type holds a field that the walk must read, whatever the sink. */
  #isNeeded(type: FieldType): boolean {
    if (this.#frame.references.has(type)) return true;
    if (this.#frame.clock !== undefined && integerOf(type)?.clock !== undefined) return true;
    return childrenOf(type).some((child) => this.#isNeeded(child));
  }

  #align(align: number): void {
    if (align <= this.#aligned) {
      this.#bits = roundUp(this.#bits, align);
      return;
    }
    const { unit, p } = this.#frame;
    const units = align / unit;
    const skipped = Math.ceil(this.#bits / unit) + units - 1;
    if ((skipped * unit) / 8 > REACH) this.#checkEnd(Math.ceil(this.#bits / unit));
    this.#code.set(p, i32.and(i32.add(get(p), i32.const(skipped)), i32.const(-units)));
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
    if (ahead > REACH) this.#checkEnd(Math.ceil((this.#bits + bits) / this.#frame.unit));
  }

  /** Emits the check that what was read so far is in the data. */
  #check(): void {
    const ahead = Math.ceil(this.#bits / this.#frame.unit);
    if (this.#beyond + ahead === 0) return;
    this.#checkEnd(ahead);
    this.#beyond = 0;
  }

  /** Emits the check that so many units follow; those may be more than an address can count. */
  #checkEnd(units: number): void {
    const { p, end, unit } = this.#frame;
    const isFar = (units * unit) / 8 > REACH;
    if (isFar) this.#code.if(i64.gtS(i64.add(i64.extendU(get(p)), i64.const(units)), i64.extendU(get(end))));
    else this.#code.if(i32.gtU(units === 0 ? get(p) : i32.add(get(p), i32.const(units)), get(end)));
    this.#frame.fail(SCAN_STOP.overrun);
    this.#code.end();
  }

  #checkLength(length: Local, bitsEach: number): void {
    const { p, end, unit } = this.#frame;
    const left = i64.mul(i64.sub(i64.extendU(get(end)), i64.extendU(get(p))), i64.const(unit));
    // No window has as many bits as either limit, and the product of the limits has no more than 63.
    const isLong = i64.gtU(get(length), i64.const(MAX_COUNT));
    const wanted = i64.mul(get(length), i64.const(Math.min(bitsEach, 0xffff_ffff)));
    this.#code.if(i32.or(isLong, i64.gtS(wanted, left)));
    this.#frame.fail(SCAN_STOP.overrun);
    this.#code.end();
  }

  #byteNow(): Code {
    const { p, base, unit } = this.#frame;
    if (unit === 8) return this.#bits === 0 ? get(p) : i32.add(get(p), i32.const(this.#bits / 8));
    return i32.add(get(base), i32.shrU(i32.add(get(p), i32.const(this.#bits)), i32.const(3)));
  }

  #alignmentNow(): number {
    return this.#bits === 0 ? this.#aligned : Math.min(this.#aligned, lowestBit(this.#bits));
  }

  /** The address of the first NUL at or after another. There is one: after the data. */
  #nul(start: Local): Local {
    const code = this.#code;
    const at = this.#set(get(start));
    const word = code.local("i64");
    const zeros = code.local("i64");
    const again = code.loop();
    code.set(word, i64.load(get(at)));
    // The highest bit of each byte that is the first zero, or comes after it: "Bit Twiddling Hacks", haszero.
    const borrowed = i64.sub(get(word), i64.const(0x0101_0101_0101_0101n));
    const kept = i64.and(i64.xor(get(word), i64.const(-1)), i64.const(0x8080_8080_8080_8080n));
    code.if(i64.eqz(tee(zeros, i64.and(borrowed, kept))));
    code.set(at, i32.add(get(at), i32.const(8)));
    code.jump(again);
    code.end();
    code.end();
    code.set(at, i32.add(get(at), i32.wrap(i64.shrU(i64.ctz(get(zeros)), i64.const(3)))));
    return at;
  }

  /** A new variable of 32 bits with a value. */
  #set(value: Code): Local {
    const local = this.#code.local("i32");
    this.#code.set(local, value);
    return local;
  }
}

/** Loads of unsigned and signed integers by their bits. */
const LOADS: Readonly<Record<number, typeof i64.load>> = {
  8: i64.load8U,
  16: i64.load16U,
  32: i64.load32U,
  64: i64.load,
};
const SIGNED_LOADS: typeof LOADS = { 8: i64.load8S, 16: i64.load16S, 32: i64.load32S, 64: i64.load };

/** Elements of an array that a loop may count. */
const MAX_COUNT = 0x7fff_ffff;

/** Code of whether a field's value is in a range; nothing when no value of its type is. */
function rangeTest(value: Local, type: IntegerType, first: bigint, last: bigint): Code | undefined {
  const { size, signed } = type;
  const least = signed ? -(1n << BigInt(size - 1)) : 0n;
  const most = least + (1n << BigInt(size)) - 1n;
  const from = first < least ? least : first;
  const to = last > most ? most : last;
  if (from > to) return undefined;
  if (from === to) return i64.eq(get(value), i64.const(from));
  // Two's complement: what lies before the range lies far after it.
  return i64.leU(i64.sub(get(value), i64.const(from)), i64.const(to - from));
}

function unreachable(): never {
  throw new Error("a type whose paths are not resolved");
}
