// What a trace's metadata means: its clocks, stream classes, event classes and the types of their fields, with every
// name looked up. Made by resolve.ts; read by the code generators and the commands.

/** A clock of the trace. */
export interface Clock {
  readonly name: string;
  readonly uuid: string | undefined;
  readonly description: string | undefined;
  /** Cycles a second. */
  readonly frequency: bigint;
  /** Seconds, and cycles (fewer than a second's), of the clock's origin after the Unix epoch. */
  readonly offsetSeconds: bigint;
  readonly offsetCycles: bigint;
  /** Whether the origin is the same for every trace, so that traces may be merged. */
  readonly absolute: boolean;
}

/** An integer of 1 to 64 bits. */
export interface IntegerType {
  readonly kind: "integer";
  /** Bits, 1 to 64. */
  readonly size: number;
  /** Bits, a power of two. */
  readonly align: number;
  readonly signed: boolean;
  readonly littleEndian: boolean;
  /** How to show it. */
  readonly base: 2 | 8 | 10 | 16;
  /** Whether it is a character: arrays of it are text. */
  readonly encoded: boolean;
  /** The clock whose value this field is, if any. */
  clock: Clock | undefined;
}

/** A name of an enumeration and the values it stands for, bounds included. */
export interface EnumRange {
  readonly label: string;
  readonly first: bigint;
  readonly last: bigint;
}

/** An integer some of whose values have names. Several names may cover one value. */
export interface EnumType {
  readonly kind: "enum";
  readonly integer: IntegerType;
  readonly ranges: readonly EnumRange[];
}

/** An IEEE 754 number of 32 or 64 bits. */
export interface FloatType {
  readonly kind: "float";
  readonly size: 32 | 64;
  readonly align: number;
  readonly littleEndian: boolean;
}

/** Bytes up to a NUL, UTF-8. */
export interface StringType {
  readonly kind: "string";
}

/** A member of a structure, or an option of a variant. */
export interface Member {
  /** The name to show: without the underscore that TSDL writers put before it. */
  readonly name: string;
  /** The name as the metadata has it; references use this one. */
  readonly rawName: string;
  readonly type: FieldType;
  /** Whether the field serves the format only (sizes, counters, clock values) and is not shown as data. */
  hidden: boolean;
}

/** A structure: its members one after the other. */
export interface StructType {
  readonly kind: "struct";
  /** Bits, a power of two: the largest of its own and its members' alignments. */
  readonly align: number;
  readonly members: readonly Member[];
}

/** One of several types, chosen by the value of an enumeration that stands before it. */
export interface VariantType {
  readonly kind: "variant";
  /** The tag's path, as the metadata has it. */
  readonly path: string;
  /** The enumeration that chooses; set when paths are resolved. */
  tag: EnumType | undefined;
  readonly options: readonly Member[];
  /** Values of the tag, in order of precedence, and the index of the option each chooses. */
  choices: readonly {
    readonly first: bigint;
    readonly last: bigint;
    readonly option: number;
  }[];
}

/** A fixed number of elements. */
export interface ArrayType {
  readonly kind: "array";
  readonly length: number;
  readonly element: FieldType;
  /** Whether it is text: UTF-8 bytes up to a NUL or the end. */
  readonly text: boolean;
}

/** As many elements as an integer that stands before says. */
export interface SequenceType {
  readonly kind: "sequence";
  /** The length's path, as the metadata has it. */
  readonly path: string;
  /** The integer that says the length; set when paths are resolved. */
  length: IntegerType | EnumType | undefined;
  readonly element: FieldType;
  readonly text: boolean;
}

/** The type of a field. Each place in the metadata has its own object, so that an object stands for one field. */
export type FieldType =
  IntegerType | EnumType | FloatType | StringType | StructType | VariantType | ArrayType | SequenceType;

/** One kind of event. */
export interface EventClass {
  /** Index in its stream class's {@link StreamClass.events}. */
  readonly index: number;
  readonly id: bigint;
  /** As in the metadata; a tracer may put the provider's name and a colon before it. */
  readonly name: string;
  /** LTTng's log level, 0 (emergency) to 14 (debug), if given. */
  readonly logLevel: number | undefined;
  readonly emfUri: string | undefined;
  readonly streamClass: StreamClass;
  readonly context: StructType | undefined;
  readonly fields: StructType | undefined;
}

/** One kind of stream: what its packets and its events have in common. */
export interface StreamClass {
  readonly id: bigint;
  readonly packetContext: StructType | undefined;
  readonly eventHeader: StructType | undefined;
  readonly eventContext: StructType | undefined;
  /** The clock of the events' times, if they have any. */
  clock: Clock | undefined;
  readonly events: EventClass[];
}

/** All that a trace's metadata says. */
export interface TraceClass {
  /** Lower case with dashes, if given. */
  readonly uuid: string | undefined;
  readonly littleEndian: boolean;
  /** In the order of the metadata. */
  readonly environment: ReadonlyMap<string, string | bigint>;
  readonly clocks: readonly Clock[];
  readonly packetHeader: StructType | undefined;
  readonly streamClasses: readonly StreamClass[];
}

/** Bits to which a field of this type is aligned, counted from the start of its packet. */
export function alignmentOf(type: FieldType): number {
  switch (type.kind) {
    case "integer":
    case "float":
    case "struct":
      return type.align;
    case "enum":
      return type.integer.align;
    case "string":
      return 8;
    case "variant":
      return 1;
    case "array":
    case "sequence":
      return alignmentOf(type.element);
  }
}

/** The integer under an integer or an enumeration; nothing for other types. */
export function integerOf(type: FieldType | undefined): IntegerType | undefined {
  if (type?.kind === "integer") return type;
  return type?.kind === "enum" ? type.integer : undefined;
}

/** A structure's member by the name the metadata gives it. */
export function memberNamed(type: StructType | undefined, rawName: string): Member | undefined {
  return type?.members.find((member) => member.rawName === rawName);
}
