// Builds field types out of the syntax tree: looks names up in TSDL's static scopes (CTF 1.8.3 section 7.3.1), and checks
// attributes. Called by resolve.ts. Every use of a named type gets its own copy, so that one type object is one field.
import { CtfError } from "./errors.ts";
import { MAX_ALIGN, minimumBits, staticBits } from "./layout.ts";
import type {
  Assignment,
  BodyEntry,
  Declarator,
  Expression,
  TypeSyntax,
  Typealias,
  Typedef,
} from "./syntax.ts";
import {
  alignmentOf,
  type ArrayType,
  type Clock,
  type EnumRange,
  type EnumType,
  type FieldType,
  type IntegerType,
  type Member,
  type StructType,
} from "./types.ts";

/** Types in one metadata text, copies included: structures that hold themselves twice, 40 times over, end here. */
const MAX_TYPES = 500_000;

/** Elements. Longer arrays than a packet can hold are refused when the type is built. */
const MAX_ARRAY_LENGTH = 0x7fff_ffffn;

/** Bits. What is beyond is in no packet; {@link MAX_TYPES} times as much can be counted in 64 bits, as generated code does. */
const MAX_ARRAY_BITS = 2 ** 43;

const TEXT_ENCODINGS: ReadonlySet<string> = new Set(["UTF8", "utf8", "UTF-8", "utf-8", "ASCII", "ascii"]);

const BASES: Readonly<Record<string, IntegerType["base"]>> = {
  decimal: 10,
  dec: 10,
  d: 10,
  i: 10,
  u: 10,
  "10": 10,
  hexadecimal: 16,
  hex: 16,
  x: 16,
  X: 16,
  p: 16,
  "16": 16,
  octal: 8,
  oct: 8,
  o: 8,
  "8": 8,
  binary: 2,
  b: 2,
  "2": 2,
};

/** A static scope: the names that a pair of braces declares. */
interface Scope {
  readonly outer: Scope | undefined;
  /** Keys are aliases, or `struct `, `variant ` or `enum ` and a name. */
  readonly types: Map<string, FieldType>;
}

/** What a type may refer to besides other types. */
export interface BuilderContext {
  /** Path of the metadata, named in errors. */
  readonly file: string;
  /** The trace's byte order: what `native` means. */
  readonly littleEndian: boolean;
  readonly environment: ReadonlyMap<string, string | bigint>;
  readonly clocks: readonly Clock[];
}

/** Builds types, in the scopes that its caller opens and closes. */
export class TypeBuilder {
  readonly #context: BuilderContext;
  #scope: Scope = { outer: undefined, types: new Map() };
  #count = 0;

  constructor(context: BuilderContext) {
    this.#context = context;
  }

  /** Runs `body` with a scope of its own for the names it declares. */
  scoped<T>(body: () => T): T {
    const outer = this.#scope;
    this.#scope = { outer, types: new Map() };
    try {
      return body();
    } finally {
      this.#scope = outer;
    }
  }

  /** Declares the names of a typealias or a typedef in the current scope. */
  declare(syntax: Typealias | Typedef): void {
    if (syntax.kind === "typealias") {
      if (syntax.declarator.name !== undefined)
        throw this.#fail("a typealias's type has no name", syntax.line);
      this.#register(syntax.alias, this.#declared(syntax.type, syntax.declarator), syntax.line);
      return;
    }
    for (const declarator of syntax.declarators) {
      this.#register(declarator.name ?? "", this.#declared(syntax.type, declarator), syntax.line);
    }
  }

  /** Builds a type; declares its name, when it has both a name and a body. */
  build(syntax: TypeSyntax): FieldType {
    switch (syntax.kind) {
      case "integer":
        return this.#integer(syntax.attributes, syntax.line);
      case "floating_point":
        return this.#float(syntax.attributes, syntax.line);
      case "string":
        this.#encoding(syntax.attributes);
        return this.#counted({ kind: "string" }, syntax.line);
      case "struct":
        return this.#struct(syntax);
      case "variant":
        return this.#variant(syntax);
      case "enum":
        return this.#enum(syntax);
      case "named":
        return this.#lookup(syntax.name, syntax.line);
    }
  }

  /** Builds a type that must be a structure. */
  buildStruct(syntax: TypeSyntax, what: string): StructType {
    const type = this.build(syntax);
    if (type.kind !== "struct") throw this.#fail(`${what} is a structure, not ${type.kind}`, syntax.line);
    return type;
  }

  #declared(syntax: TypeSyntax, declarator: Declarator): FieldType {
    let type: FieldType;
    if (declarator.pointers === "") type = this.build(syntax);
    else {
      // A pointer is an integer that a typealias named so; it is shown as an address.
      if (syntax.kind !== "named") throw this.#fail("a pointer needs a named type", declarator.line);
      type = this.#lookup(syntax.name + declarator.pointers, declarator.line);
      if (type.kind === "integer") type = { ...type, base: 16 };
    }
    // As in C, the last length is the innermost.
    for (const length of declarator.lengths.toReversed()) type = this.#array(type, length);
    return type;
  }

  #array(element: FieldType, length: Expression): FieldType {
    const integer =
      element.kind === "integer" ? element : element.kind === "enum" ? element.integer : undefined;
    const text = integer !== undefined && integer.encoded && integer.size === 8 && integer.align === 8;
    const { line } = length;
    let count: bigint;
    if (length.kind === "integer") count = length.value;
    else if (length.text.startsWith("env.")) {
      const value = this.#context.environment.get(length.text.slice("env.".length));
      if (typeof value !== "bigint")
        throw this.#fail(`${length.text} is not a number of the environment`, line);
      count = value;
    } else {
      return this.#counted(
        {
          kind: "sequence",
          path: length.text,
          length: undefined,
          element,
          text,
        },
        line,
      );
    }
    if (count < 0n || count > MAX_ARRAY_LENGTH)
      throw this.#fail(`an array cannot have ${count} elements`, line);
    const array: ArrayType = { kind: "array", length: Number(count), element, text };
    if ((staticBits(array) ?? minimumBits(array)) > MAX_ARRAY_BITS)
      throw this.#fail(`an array of more than ${MAX_ARRAY_BITS} bits`, line);
    return this.#counted(array, line);
  }

  #struct(syntax: TypeSyntax & { kind: "struct" }): FieldType {
    const key = syntax.name === undefined ? undefined : `struct ${syntax.name}`;
    if (syntax.body === undefined) return this.#lookup(key, syntax.line);
    const own = syntax.align === undefined ? 1 : this.#align(syntax.align);
    const members = this.#members(syntax.body);
    const align = members.reduce((most, { type }) => Math.max(most, alignmentOf(type)), own);
    const type = this.#counted({ kind: "struct", align, members }, syntax.line);
    if (key !== undefined) this.#register(key, type, syntax.line);
    return type;
  }

  #variant(syntax: TypeSyntax & { kind: "variant" }): FieldType {
    const key = syntax.name === undefined ? undefined : `variant ${syntax.name}`;
    if (syntax.body === undefined) {
      const type = this.#lookup(key, syntax.line);
      return type.kind === "variant" && syntax.tag !== undefined ? { ...type, path: syntax.tag } : type;
    }
    const options = this.#members(syntax.body);
    const type = this.#counted(
      { kind: "variant", path: "", tag: undefined, options, choices: [] },
      syntax.line,
    );
    if (key !== undefined) this.#register(key, type, syntax.line);
    return { ...type, path: syntax.tag ?? "" };
  }

  #members(body: readonly BodyEntry[]): Member[] {
    const members = new Map<string, Member>();
    this.scoped(() => {
      for (const entry of body) {
        if (entry.kind !== "field") {
          this.declare(entry);
          continue;
        }
        for (const declarator of entry.declarators) {
          const rawName = declarator.name ?? "";
          if (members.has(rawName)) throw this.#fail(`${rawName} is there twice`, declarator.line);
          const type = this.#declared(entry.type, declarator);
          const name = rawName.startsWith("_") ? rawName.slice(1) : rawName;
          members.set(rawName, { name, rawName, type, hidden: false });
        }
      }
    });
    return [...members.values()];
  }

  #enum(syntax: TypeSyntax & { kind: "enum" }): FieldType {
    const key = syntax.name === undefined ? undefined : `enum ${syntax.name}`;
    const { line } = syntax;
    if (syntax.body === undefined) return this.#lookup(key, line);
    const integer = syntax.container === undefined ? this.#lookup("int", line) : this.build(syntax.container);
    if (integer.kind !== "integer")
      throw this.#fail(`an enumeration's type is an integer, not ${integer.kind}`, line);
    const ranges: EnumRange[] = [];
    let next = 0n;
    for (const { label, first = next, last = first } of syntax.body) {
      ranges.push({
        label,
        first: wrap(first, integer),
        last: wrap(last, integer),
      });
      next = last + 1n;
    }
    const type: EnumType = { kind: "enum", integer, ranges };
    if (key !== undefined) this.#register(key, type, line);
    return this.#counted(type, line);
  }

  #integer(attributes: readonly Assignment[], line: number): FieldType {
    const named = this.#attributes(attributes);
    const size = named.get("size");
    if (size?.kind !== "integer" || size.value < 1n || size.value > 64n) {
      throw this.#fail("an integer's size is 1 to 64", line);
    }
    const bits = Number(size.value);
    const align = named.get("align");
    const map = named.get("map");
    return this.#counted(
      {
        kind: "integer",
        size: bits,
        align: align !== undefined ? this.#align(align) : bits % 8 === 0 ? 8 : 1,
        signed: this.#boolean(named.get("signed")),
        littleEndian: this.#byteOrder(named.get("byte_order")),
        base: this.#base(named.get("base")),
        encoded: this.#encoding(attributes),
        clock: map === undefined ? undefined : this.#clock(map),
      },
      line,
    );
  }

  #float(attributes: readonly Assignment[], line: number): FieldType {
    const named = this.#attributes(attributes);
    const mantissa = named.get("mant_dig");
    const exponent = named.get("exp_dig");
    const digits = mantissa?.kind === "integer" &&
      exponent?.kind === "integer" && [mantissa.value, exponent.value];
    const form = String(digits);
    if (form !== "24,8" && form !== "53,11") {
      throw this.#fail("a floating point number has mant_dig 24 and exp_dig 8, or 53 and 11", line);
    }
    const align = named.get("align");
    return this.#counted(
      {
        kind: "float",
        size: form === "24,8" ? 32 : 64,
        align: align === undefined ? 8 : this.#align(align),
        littleEndian: this.#byteOrder(named.get("byte_order")),
      },
      line,
    );
  }

  #attributes(attributes: readonly Assignment[]): Map<string, Expression> {
    const named = new Map<string, Expression>();
    for (const { left, right, line } of attributes) {
      if (named.has(left)) throw this.#fail(`${left} is there twice`, line);
      named.set(left, right);
    }
    return named;
  }

  #align(value: Expression): number {
    const bits = value.kind === "integer" ? value.value : 0n;
    if (bits < 1n || (bits & (bits - 1n)) !== 0n)
      throw this.#fail("an alignment is a power of two", value.line);
    if (bits > MAX_ALIGN) throw this.#fail(`an alignment of ${bits} bits is beyond ${MAX_ALIGN}`, value.line);
    return Number(bits);
  }

  #boolean(value: Expression | undefined): boolean {
    if (value === undefined) return false;
    if (value.kind === "integer") return value.value !== 0n;
    if (value.text === "true" || value.text === "TRUE") return true;
    if (value.text === "false" || value.text === "FALSE") return false;
    throw this.#fail(`${JSON.stringify(value.text)} is neither true nor false`, value.line);
  }

  #byteOrder(value: Expression | undefined): boolean {
    const order = value === undefined ? "native" : value.kind === "text" ? value.text : "";
    if (order === "native") return this.#context.littleEndian;
    if (order === "le") return true;
    if (order === "be" || order === "network") return false;
    throw this.#fail("a byte order is le, be, network or native", value?.line ?? 0);
  }

  #base(value: Expression | undefined): IntegerType["base"] {
    if (value === undefined) return 10;
    const base = BASES[value.kind === "integer" ? String(value.value) : value.text];
    if (base === undefined) throw this.#fail("a base is 2, 8, 10 or 16, or one of their names", value.line);
    return base;
  }

  #encoding(attributes: readonly Assignment[]): boolean {
    const value = attributes.find(({ left }) => left === "encoding")?.right;
    if (value === undefined) return false;
    if (value.kind === "text" && TEXT_ENCODINGS.has(value.text)) return true;
    if (value.kind === "text" && value.text === "none") return false;
    throw this.#fail("an encoding is UTF8, ASCII or none", value.line);
  }

  #clock(map: Expression): Clock | undefined {
    const name = map.kind === "text" ? /^clock\.([^.]+)(?:\.value)?$/.exec(map.text)?.[1] : undefined;
    // babeltrace2 lets a mapping to something else than a clock pass too.
    if (name === undefined) return undefined;
    const clock = this.#context.clocks.find((one) => one.name === name);
    if (clock === undefined) throw this.#fail(`there is no clock ${name}`, map.line);
    return clock;
  }

  #lookup(key: string | undefined, line: number): FieldType {
    if (key === undefined) throw this.#fail("a type without a body needs a name", line);
    for (let scope: Scope | undefined = this.#scope; scope !== undefined; scope = scope.outer) {
      const type = scope.types.get(key);
      if (type !== undefined) return this.#copy(type, line);
    }
    throw this.#fail(`there is no type ${key}`, line);
  }

  #register(key: string, type: FieldType, line: number): void {
    if (this.#scope.types.has(key)) throw this.#fail(`${key} is declared twice`, line);
    this.#scope.types.set(key, this.#copy(type, line));
  }

  #copy(type: FieldType, line: number): FieldType {
    switch (type.kind) {
      case "enum":
        return this.#counted({ ...type, integer: { ...type.integer } }, line);
      case "struct":
        return this.#counted({ ...type, members: this.#copyMembers(type.members, line) }, line);
      case "variant":
        return this.#counted({ ...type, options: this.#copyMembers(type.options, line) }, line);
      case "array":
      case "sequence":
        return this.#counted({ ...type, element: this.#copy(type.element, line) }, line);
      default:
        return this.#counted({ ...type }, line);
    }
  }

  #copyMembers(members: readonly Member[], line: number): Member[] {
    return members.map((member) => ({
      ...member,
      type: this.#copy(member.type, line),
    }));
  }

  #counted<T extends FieldType>(type: T, line: number): T {
    this.#count += 1;
    if (this.#count > MAX_TYPES) throw this.#fail(`more than ${MAX_TYPES} types`, line);
    return type;
  }

  #fail(message: string, line: number): CtfError {
    return new CtfError(message, { file: this.#context.file, line });
  }
}

/** A bound of an enumeration, as a value of its integer's signedness. */
function wrap(value: bigint, integer: IntegerType): bigint {
  return integer.signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
}
