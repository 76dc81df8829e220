// What is done with the fields that a walk visits: objects, columns, text, ids. A sink runs when code is generated, and
// generates code itself; the walks (js-walk.ts, wasm-walk.ts) call it, each with values in its own language.
import type {
  ArrayType,
  EnumType,
  FloatType,
  IntegerType,
  Member,
  SequenceType,
  StringType,
  StructType,
  VariantType,
} from "./types.ts";

/**
 * Receives the fields of a walk in order, and generates the code that uses them. This one visits everything and does
 * nothing: sinks extend it with what they care for. `Integer` and `Real` are code of a value, `Name` is what the code
 * calls a place in the data or a count.
 */
export class FieldSink<Integer, Real, Name> {
  /** Whether to visit a member; others are passed over. */
  wants(_member: Member): boolean {
    return true;
  }

  integer(_type: IntegerType | EnumType, _value: Integer): void {}
  real(_type: FloatType, _value: Real): void {}
  /** UTF-8 from byte `start` to before byte `end`, which may be used more than once. */
  text(_type: StringType | ArrayType | SequenceType, _start: Name, _end: Name): void {}
  beginStruct(_type: StructType): void {}
  beginMember(_member: Member): void {}
  endMember(_member: Member): void {}
  endStruct(_type: StructType): void {}
  /** `index` is the loop's counter. */
  beginArray(_type: ArrayType | SequenceType, _length: Name, _index: Name): void {}
  beginElement(_index: Name): void {}
  endElement(_index: Name): void {}
  endArray(_type: ArrayType | SequenceType): void {}
  beginVariant(_type: VariantType): void {}
  beginOption(_option: Member): void {}
  endOption(_option: Member): void {}
  endVariant(_type: VariantType): void {}
}
