// The walk over the fields of a type in a stream's data, whatever the language of the code: js-walk.ts writes JavaScript,
// wasm-walk.ts WebAssembly. The walk knows at generation time where it is as far as the types tell: offsets are constants,
// alignment is computed once, one check of the data's end serves many fields, and nothing is looked up per field later.
// What is done with each field's value is the sink's: nothing (skip), an object, columns, text.
//
// The code has a position `p` and a limit `end`. They count bytes (unit 8) when every field of the stream class starts and
// ends on one where that cannot be known beforehand; bits (unit 1) otherwise.
import {
  hasEmptyElements,
  lowestBit,
  MAX_ALIGN,
  minimumBits,
  NotBytewise,
  REACH,
  roundUp,
  staticBits,
} from "./layout.ts";
import { childrenOf } from "./meanings.ts";
import type { FieldSink } from "./sink.ts";
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

/** What a walk counts and keeps. */
export interface WalkRules {
  /** 8 to count positions in bytes, 1 to count bits. */
  readonly unit: 8 | 1;
  /** Whether fields that are clock values move the clock. */
  readonly movesClock: boolean;
}

/** Text in the data: from byte `start` to before byte `end`. */
export interface TextPlace<Name> {
  readonly start: Name;
  readonly end: Name;
}

/** An option of a variant: the tag's values that choose it, and what writes the code of its fields. */
export interface Branch {
  readonly ranges: VariantType["choices"];
  readonly write: () => void;
}

/**
 * Generates one walk: call {@link walk} for one type after the other. The protected methods are what a language says of
 * it: each adds code, and the position here is `p` and {@link bits}.
 */
export abstract class FieldWalk<Integer, Real, Name> {
  readonly #rules: WalkRules;
  #bits = 0;
  /** `p` is a multiple of this many bits, counted from the packet's start. */
  #aligned: number;
  /**
   * Bytes by which `p` may be after the data's end. Reading there is harmless as long as it stays in the buffer's slack,
   * so one check serves many fields: whatever reads or moves `p` checks when it could leave the slack ({@link #reach},
   * {@link #leave}). So `p` never comes near where positions wrap.
   */
  #beyond = 0;

  constructor(rules: WalkRules) {
    this.#rules = rules;
    this.#aligned = rules.unit;
  }

  /** Bits from `p` to the position. */
  protected get bits(): number {
    return this.#bits;
  }

  /** Whether a variable keeps the value of a field, because another field needs it. */
  protected abstract isReferred(type: FieldType): boolean;
  /** Reads an integer to what needs it: its variable, the clock if it moves that, the sink. */
  protected abstract integer(
    type: IntegerType | EnumType,
    integer: IntegerType,
    movesClock: boolean,
    sink: FieldSink<Integer, Real, Name> | undefined,
  ): void;
  protected abstract real(type: FloatType): Real;
  /** Finds the end of the text here, which a NUL ends, and moves `p` behind that. */
  protected abstract string(): TextPlace<Name>;
  /** Finds the end of the text here, which a NUL ends or so many bytes. */
  protected abstract text(length: number | Name): TextPlace<Name>;
  /** The variable with the number of a sequence's elements, as the data says it. */
  protected abstract said(type: SequenceType): Name;
  /** That number once it was checked, for use as a count. */
  protected abstract counted(said: Name): Name;
  /** A count that is known. */
  protected abstract count(length: number): Name;
  /** A new counter, 0 at first. */
  protected abstract counter(): Name;
  /** Runs the code that `write` adds while the counter is below the count. */
  protected abstract loop(counter: Name, count: Name, write: () => void): void;
  /** Runs the code of the first branch that the tag chooses, and leaves the walk when there is none. */
  protected abstract choose(type: VariantType, branches: readonly Branch[]): void;
  /** Moves `p` by so many units. */
  protected abstract move(units: number): void;
  protected abstract moveBy(count: Name, unitsEach: number): void;
  /** Moves `p` by so many units, and back to a multiple of `align` units. */
  protected abstract moveToAligned(units: number, align: number): void;
  /** Leaves the walk unless so many units of data follow `p`, which may be more than there can be. */
  protected abstract checkEnd(units: number): void;
  /** Leaves the walk unless data for so many elements follows `p`. */
  protected abstract checkLength(said: Name, bitsEach: number): void;
  /** Counts elements without data, and leaves the walk when there are too many: see ELEMENT_BUDGET. */
  protected abstract spend(elements: number | Name): void;

  /** Makes `p` the position. */
  flush(): void {
    const { unit } = this.#rules;
    if (this.#bits % unit !== 0) throw new NotBytewise();
    if (this.#bits === 0) return;
    this.#leave(0);
    this.move(this.#bits / unit);
    this.#aligned = Math.min(this.#aligned, lowestBit(this.#bits));
    this.#bits = 0;
  }

  /** Begins again at `p`, about whose alignment nothing is known: at the begin of a branch, and after several. */
  restart(): void {
    this.#bits = 0;
    this.#aligned = this.#rules.unit;
    this.#beyond = 0;
  }

  /** Visits a type; its fields go to `sink`, if there is one. */
  walk(type: FieldType, sink: FieldSink<Integer, Real, Name> | undefined): void {
    switch (type.kind) {
      case "integer":
      case "enum":
        this.#integer(type, sink);
        return;
      case "float":
        this.#align(type.align);
        if (sink !== undefined) {
          this.#reach(type.size);
          sink.real(type, this.real(type));
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

  #integer(type: IntegerType | EnumType, sink: FieldSink<Integer, Real, Name> | undefined): void {
    const integer = integerOf(type) ?? unresolved();
    this.#align(integer.align);
    const movesClock = this.#rules.movesClock && integer.clock !== undefined && !integer.signed;
    if (sink !== undefined || movesClock || this.isReferred(type)) {
      this.#reach(integer.size);
      this.integer(type, integer, movesClock, sink);
    }
    this.#bits += integer.size;
  }

  #string(type: StringType, sink: FieldSink<Integer, Real, Name> | undefined): void {
    this.#align(8);
    // What is passed over before the NUL is data.
    this.#leave(8 / this.#rules.unit);
    const { start, end } = this.string();
    this.#bits = 0;
    this.#aligned = 8;
    sink?.text(type, start, end);
  }

  #struct(type: StructType, sink: FieldSink<Integer, Real, Name> | undefined): void {
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

  #variant(type: VariantType, sink: FieldSink<Integer, Real, Name> | undefined): void {
    // A tag from behind the data's end would choose at random.
    this.#check();
    const before = { bits: this.#bits, aligned: this.#aligned };
    // The branches must leave the walk in one state, so each ends with the position in `p`.
    let aligned = MAX_ALIGN;
    let beyond = 0;
    const branches = type.options.map((option, index) => ({
      ranges: type.choices.filter((choice) => choice.option === index),
      write: () => {
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
      },
    }));
    sink?.beginVariant(type);
    this.choose(type, branches);
    sink?.endVariant(type);
    this.#bits = 0;
    this.#beyond = beyond;
    this.#aligned = aligned;
  }

  #array(type: ArrayType, sink: FieldSink<Integer, Real, Name> | undefined): void {
    this.#align(alignmentOf(type));
    if (type.text && sink !== undefined) {
      // It ends in the slack at the latest.
      this.#reach(8);
      const { start, end } = this.text(type.length);
      this.#bits += type.length * 8;
      sink.text(type, start, end);
      return;
    }
    if (minimumBits(type.element) === 0) this.spend(type.length);
    const stride = this.#stride(type.element, sink);
    if (stride !== undefined) {
      this.#bits += stride * type.length;
      return;
    }
    this.flush();
    // Before the sink makes room for them.
    this.checkEnd(Math.ceil((this.#fewestBits(type.element) * type.length) / this.#rules.unit));
    this.#elements(type, this.count(type.length), sink);
  }

  #sequence(type: SequenceType, sink: FieldSink<Integer, Real, Name> | undefined): void {
    this.#align(alignmentOf(type));
    this.flush();
    const { unit } = this.#rules;
    const said = this.said(type);
    const stride = type.text ? 8 : this.#stride(type.element, sink);
    const isStrided = stride !== undefined && stride % unit === 0;
    this.checkLength(said, isStrided ? stride : this.#fewestBits(type.element));
    if (!type.text && minimumBits(type.element) === 0) this.spend(said);
    const count = this.counted(said);
    if (!isStrided) {
      this.#elements(type, count, sink);
      return;
    }
    const text = sink === undefined ? undefined : this.text(count);
    this.moveBy(count, stride / unit);
    this.#aligned = type.text ? 8 : Math.min(this.#aligned, lowestBit(stride));
    this.#beyond = 0;
    if (text !== undefined) sink?.text(type, text.start, text.end);
  }

  /**
   * A loop over elements, where there is something to do with each, or their sizes differ. `p` is where they begin, and
   * data for {@link #fewestBits} of each follows.
   */
  #elements(
    type: ArrayType | SequenceType,
    count: Name,
    sink: FieldSink<Integer, Real, Name> | undefined,
  ): void {
    // Those of one size are in the data; others may begin anywhere behind it, and check before they read or move.
    const beyond = this.#sizeWithoutGaps(type.element) === undefined ? Infinity : 0;
    const index = this.counter();
    sink?.beginArray(type, count, index);
    this.loop(index, count, () => {
      // An element may end less aligned than it begins.
      this.restart();
      this.#beyond = beyond;
      sink?.beginElement(index);
      this.walk(type.element, sink);
      sink?.endElement(index);
      this.flush();
    });
    this.restart();
    this.#beyond = beyond;
    sink?.endArray(type);
  }

  /** Bits of each element, where they are the same for all and nothing is between them. */
  #sizeWithoutGaps(element: FieldType): number | undefined {
    return alignmentOf(element) <= this.#rules.unit ? staticBits(element) : undefined;
  }

  /** Bits that each element takes at least. */
  #fewestBits(element: FieldType): number {
    return this.#sizeWithoutGaps(element) ?? minimumBits(element);
  }

  /** Bits from one element to the next, where they are the same for all and nothing is to be done with any. */
  #stride(element: FieldType, sink: FieldSink<Integer, Real, Name> | undefined): number | undefined {
    if (sink !== undefined || this.#isNeeded(element) || hasEmptyElements(element)) return undefined;
    const size = staticBits(element);
    return size !== undefined && size % alignmentOf(element) === 0 ? size : undefined;
  }

  /** Whether a type holds a field that the walk must read, whatever the sink. */
  #isNeeded(type: FieldType): boolean {
    if (this.isReferred(type)) return true;
    if (this.#rules.movesClock && integerOf(type)?.clock !== undefined) return true;
    return childrenOf(type).some((child) => this.#isNeeded(child));
  }

  #align(align: number): void {
    if (align <= this.#aligned) {
      this.#bits = roundUp(this.#bits, align);
      return;
    }
    const { unit } = this.#rules;
    const units = align / unit;
    const ahead = Math.ceil(this.#bits / unit);
    this.#leave(units - 1);
    this.moveToAligned(ahead + units - 1, units);
    this.#bits = 0;
    this.#aligned = align;
  }

  /** Makes sure that `p` may move to the position, and notes that it does, and by at most so many units more. */
  #leave(more: number): void {
    const { unit } = this.#rules;
    const ahead = Math.ceil((Math.ceil(this.#bits / unit) * unit) / 8);
    const bytes = Math.ceil((more * unit) / 8);
    const isNear = this.#beyond + ahead + bytes <= REACH;
    if (!isNear) this.#check();
    this.#beyond = isNear ? this.#beyond + ahead + bytes : bytes;
  }

  /** Makes sure that a field of so many bits, eight bytes at most, is in the buffer. */
  #reach(bits: number): void {
    const ahead = Math.ceil((this.#bits + bits) / 8);
    if (this.#beyond + ahead > REACH) this.#check();
  }

  /** Checks that what was read so far is in the data. */
  #check(): void {
    const ahead = Math.ceil(this.#bits / this.#rules.unit);
    if (this.#beyond + ahead === 0) return;
    this.checkEnd(ahead);
    this.#beyond = 0;
  }
}

/** For what resolve.ts has set in every type that is walked over. */
export function unresolved(): never {
  throw new Error("a type whose paths are not resolved");
}
