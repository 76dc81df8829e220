// The sink that makes JavaScript values of fields: numbers and bigints, strings, booleans, objects and arrays. Used for
// packet headers and contexts, for event records, and for the elements of columns that have no flat form.
import { bigintCode, type IntegerCode, JsSink, type JsWalk } from "./js-walk.ts";
import {
  type ArrayType,
  type EnumType,
  type FloatType,
  type IntegerType,
  integerOf,
  type Member,
  type SequenceType,
  type StringType,
  type StructType,
  type VariantType,
} from "./types.ts";

/**
 * The value of a field. Integers of up to 53 bits are numbers, larger ones bigints. An enumeration is the first label of
 * its value, or the integer when none covers it; one of the labels false and true is a boolean. A variant is the value
 * of the chosen option.
 */
export type FieldValue = number | bigint | string | boolean | FieldValue[] | Fields;

/** A structure's members by name. */
export interface Fields {
  [name: string]: FieldValue;
}

/** Generates code that leaves the value in a variable: see {@link result}. */
export class ObjectSink extends JsSink {
  readonly #walk: JsWalk;
  readonly #withHidden: boolean;
  /** Names of finished values, and marks where structures began. */
  readonly #values: string[] = [];
  readonly #structs: { member: string; readonly entries: string[] }[] = [];

  /** @param withHidden whether fields that serve the format only are made too */
  constructor(walk: JsWalk, withHidden: boolean) {
    super();
    this.#walk = walk;
    this.#withHidden = withHidden;
  }

  /** The name of the variable with the last value made. */
  result(): string {
    return this.#values.pop() ?? "undefined";
  }

  override wants(member: Member): boolean {
    return this.#withHidden || !member.hidden;
  }

  override integer(type: IntegerType | EnumType, value: IntegerCode): void {
    const signed = integerOf(type)?.signed === true;
    const plain = value.form === "number" ? value.code : bigintCode(value, signed);
    if (type.kind === "integer") {
      this.#keep(plain);
      return;
    }
    const labels = this.#walk.constant(labeller(type));
    this.#keep(`${labels}(${plain})`);
  }

  override real(_type: FloatType, code: string): void {
    this.#keep(code);
  }

  override text(_type: StringType | ArrayType | SequenceType, start: string, end: string): void {
    this.#keep(`rt.text(b, ${start}, ${end})`);
  }

  override beginStruct(_type: StructType): void {
    this.#structs.push({ member: "", entries: [] });
  }

  override endMember(member: Member): void {
    // In a literal, this one name would set the prototype.
    const key = member.name === "__proto__" ? '["__proto__"]' : JSON.stringify(member.name);
    this.#structs.at(-1)?.entries.push(`${key}: ${this.result()}`);
  }

  override endStruct(_type: StructType): void {
    this.#keep(`{ ${this.#structs.pop()?.entries.join(", ") ?? ""} }`);
  }

  override beginArray(_type: ArrayType | SequenceType, _length: string, _index: string): void {
    this.#keep("[]");
  }

  override endElement(_index: string): void {
    const element = this.result();
    this.#walk.line(`${this.#values.at(-1)}.push(${element});`);
  }

  override beginVariant(_type: VariantType): void {
    const name = this.#walk.name("f");
    this.#walk.line(`let ${name};`);
    this.#values.push(name);
  }

  override endOption(_option: Member): void {
    const option = this.result();
    this.#walk.line(`${this.#values.at(-1)} = ${option};`);
  }

  /** Now, because the position moves on. */
  #keep(code: string): void {
    const name = this.#walk.name("f");
    this.#walk.line(`const ${name} = ${code};`);
    this.#values.push(name);
  }
}

/** Whether an enumeration is how a boolean is written: the labels false for 0 and true for 1. */
export function isBoolean(type: EnumType): boolean {
  const [no, yes] = type.ranges;
  if (type.ranges.length !== 2 || no?.label !== "false" || yes?.label !== "true") return false;
  return no.first === 0n && no.last === 0n && yes.first === 1n && yes.last === 1n;
}

/** All labels of a value. */
export function labelsOf(type: EnumType, value: number | bigint): string[] {
  const labels = type.ranges
    .filter(({ first, last }) => value >= first && value <= last)
    .map(({ label }) => label);
  return [...new Set(labels)];
}

/** Values remembered by one enumeration's labeller; an enumeration of ranges can have more. */
const MAX_REMEMBERED = 4096;

/** A function from an enumeration's value to its {@link FieldValue}. */
function labeller(type: EnumType): (value: number | bigint) => FieldValue {
  const known = new Map<number | bigint, FieldValue>();
  const boolean = isBoolean(type);
  return (value) => {
    const before = known.get(value);
    if (before !== undefined) return before;
    const [label] = labelsOf(type, value);
    const result = label === undefined ? value : boolean ? label === "true" : label;
    if (known.size < MAX_REMEMBERED) known.set(value, result);
    return result;
  };
}
