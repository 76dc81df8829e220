// Writes the WebAssembly of a walk over a type's fields (field-walk.ts) in a stream's data. Called by scan-code.ts.
//
// Positions are addresses where they count bytes; bits count from the begin of the data. The data's end is always checked.
// Integers are 64 bits wide in the code, whatever their fields are.
import { type Branch, FieldWalk, type TextPlace, unresolved } from "./field-walk.ts";
import { REACH } from "./layout.ts";
import { SCAN_STOP } from "./scan-state.ts";
import { FieldSink } from "./sink.ts";
import {
  type EnumType,
  type FieldType,
  type FloatType,
  type IntegerType,
  integerOf,
  type SequenceType,
  type VariantType,
} from "./types.ts";
import type { Helpers } from "./wasm-helpers.ts";
import { call, type Code, f64, type FunctionCode, get, i32, i64, type Local, tee } from "./wasm.ts";

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

/** Generates one walk. Create it, and call {@link walk} for one type after the other. */
export class WasmWalk extends FieldWalk<Local, Code, Local> {
  readonly #frame: WalkFrame;
  readonly #code: FunctionCode;

  constructor(frame: WalkFrame) {
    super({ unit: frame.unit, movesClock: frame.clock !== undefined });
    this.#frame = frame;
    this.#code = frame.code;
  }

  protected override isReferred(type: FieldType): boolean {
    return this.#frame.references.has(type);
  }

  protected override integer(
    type: IntegerType | EnumType,
    integer: IntegerType,
    movesClock: boolean,
    sink: WasmSink | undefined,
  ): void {
    const { references, clock } = this.#frame;
    const value = references.get(type) ?? this.#code.local("i64");
    this.#code.set(value, this.#bitField(integer));
    if (movesClock && clock !== undefined) this.#moveClock(clock, get(value), integer.size);
    sink?.integer(type, value);
  }

  protected override real({ size, littleEndian }: FloatType): Code {
    if (this.#frame.unit === 8 && this.bits % 8 === 0 && littleEndian) {
      return (size === 64 ? f64.load : f64.load32)(get(this.#frame.p), Math.min(this.bits / 8, MAX_COUNT));
    }
    const bits = this.#bitField({ size, signed: false, littleEndian });
    return size === 64 ? f64.ofBits(bits) : f64.ofBits32(i32.wrap(bits));
  }

  protected override string(): TextPlace<Local> {
    const { p, base, unit } = this.#frame;
    const start = this.#set(this.#byteNow());
    const end = this.#nul(start);
    const next = i32.add(get(end), i32.const(1));
    this.#code.set(p, unit === 8 ? next : i32.shl(i32.sub(next, get(base)), i32.const(3)));
    return { start, end };
  }

  protected override text(length: number | Local): TextPlace<Local> {
    const start = this.#set(this.#byteNow());
    const limit = i32.add(get(start), typeof length === "number" ? i32.const(length) : get(length));
    return { start, end: this.#set(call(this.#frame.helpers.nulBefore, get(start), limit)) };
  }

  protected override said(type: SequenceType): Local {
    return this.#frame.references.get(type.length ?? unresolved()) ?? unresolved();
  }

  protected override counted(said: Local): Local {
    return this.#set(i32.wrap(get(said)));
  }

  protected override count(length: number): Local {
    return this.#set(i32.const(length));
  }

  protected override counter(): Local {
    return this.#set(i32.const(0));
  }

  protected override loop(counter: Local, count: Local, write: () => void): void {
    const code = this.#code;
    const done = code.block();
    const again = code.loop();
    code.jumpIf(i32.eqz(i32.ltU(get(counter), get(count))), done);
    write();
    code.set(counter, i32.add(get(counter), i32.const(1)));
    code.jump(again);
    code.end();
    code.end();
  }

  protected override choose(type: VariantType, branches: readonly Branch[]): void {
    const tag = this.#frame.references.get(type.tag ?? unresolved()) ?? unresolved();
    const integer = integerOf(type.tag) ?? unresolved();
    const code = this.#code;
    const done = code.block();
    for (const { ranges, write } of branches) {
      const [test, ...more] = ranges
        .map(({ first, last }) => rangeTest(tag, integer, first, last))
        .filter((one) => one !== undefined);
      if (test === undefined) continue;
      code.if(more.reduce((any, one) => i32.or(any, one), test));
      write();
      code.jump(done);
      code.end();
    }
    this.#frame.fail(SCAN_STOP.badTag);
    code.end();
  }

  protected override move(units: number): void {
    const { p } = this.#frame;
    this.#code.set(p, i32.add(get(p), i32.const(units)));
  }

  protected override moveBy(count: Local, unitsEach: number): void {
    const { p } = this.#frame;
    this.#code.set(p, i32.add(get(p), i32.mul(get(count), i32.const(unitsEach))));
  }

  protected override moveToAligned(units: number, align: number): void {
    const { p } = this.#frame;
    this.#code.set(p, i32.and(i32.add(get(p), i32.const(units)), i32.const(-align)));
  }

  protected override checkEnd(units: number): void {
    const { p, end, unit } = this.#frame;
    // A far end may be more than an address can count.
    const isFar = (units * unit) / 8 > REACH;
    if (isFar) this.#code.if(i64.gtS(i64.add(i64.extendU(get(p)), i64.const(units)), i64.extendU(get(end))));
    else this.#code.if(i32.gtU(units === 0 ? get(p) : i32.add(get(p), i32.const(units)), get(end)));
    this.#frame.fail(SCAN_STOP.overrun);
    this.#code.end();
  }

  protected override checkLength(said: Local, bitsEach: number): void {
    const { p, end, unit } = this.#frame;
    const left = i64.mul(i64.sub(i64.extendU(get(end)), i64.extendU(get(p))), i64.const(unit));
    // No window has as many bits as either limit, and the product of the limits has no more than 63.
    const isLong = i64.gtU(get(said), i64.const(MAX_COUNT));
    const wanted = i64.mul(get(said), i64.const(Math.min(bitsEach, 0xffff_ffff)));
    this.#code.if(i32.or(isLong, i64.gtS(wanted, left)));
    this.#frame.fail(SCAN_STOP.overrun);
    this.#code.end();
  }

  protected override spend(elements: number | Local): void {
    const { budget } = this.#frame;
    const spent = typeof elements === "number" ? i64.const(elements) : get(elements);
    this.#code.if(i64.gtU(spent, get(budget)));
    this.#frame.fail(SCAN_STOP.endless);
    this.#code.end();
    this.#code.set(budget, i64.sub(get(budget), spent));
  }

  /** The bits of a field here as an integer, in one load where there is one for it. */
  #bitField(type: Pick<IntegerType, "size" | "signed" | "littleEndian">): Code {
    const { size, signed, littleEndian } = type;
    const { unit, p, base } = this.#frame;
    const shiftRight = signed ? i64.shrS : i64.shrU;
    if (unit === 1) {
      const at = i32.add(get(p), i32.const(this.bits));
      const address = i32.add(get(base), i32.shrU(at, i32.const(3)));
      const shift = i64.extendU(i32.and(at, i32.const(7)));
      return this.#longField(type, address, 0, shift);
    }
    // What is farther is in no window: the check before stops there.
    const offset = Math.min(Math.floor(this.bits / 8), MAX_COUNT);
    const shift = this.bits % 8;
    const at = get(p);
    if (shift + size > 64) return this.#longField(type, at, offset, i64.const(shift));
    const width = [8, 16, 32, 64].find((bits) => shift + size <= bits) ?? 64;
    if (littleEndian) {
      if (shift === 0 && size === width)
        return (signed ? SIGNED_LOADS : LOADS)[width]?.(at, offset) ?? unresolved();
      const word = LOADS[width]?.(at, offset) ?? unresolved();
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

  #byteNow(): Code {
    const { p, base, unit } = this.#frame;
    if (unit === 8) return this.bits === 0 ? get(p) : i32.add(get(p), i32.const(this.bits / 8));
    return i32.add(get(base), i32.shrU(i32.add(get(p), i32.const(this.bits)), i32.const(3)));
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
