// The syntax tree of TSDL: what tsdl-parser.ts makes of the metadata text and resolve.ts turns into types. Names are not
// looked up and nothing is checked here but the form.

/** A value on the right of `=`, an array's length or an enumerator's bound. */
export type Expression =
  | { readonly kind: "integer"; readonly value: bigint; readonly line: number }
  /** A string literal, a word, or words joined by dots. */
  | { readonly kind: "text"; readonly text: string; readonly line: number };

/** `left = right;`. The left side's words are joined by dots. */
export interface Assignment {
  readonly kind: "assignment";
  readonly left: string;
  readonly right: Expression;
  readonly line: number;
}

/** `left := type;`, as in `fields := struct { ... };`. */
export interface TypeAssignment {
  readonly kind: "type-assignment";
  readonly left: string;
  readonly type: TypeSyntax;
  readonly line: number;
}

/** A type as written where it is used. */
export type TypeSyntax =
  | {
      readonly kind: "integer" | "floating_point" | "string";
      readonly attributes: readonly Assignment[];
      readonly line: number;
    }
  | {
      readonly kind: "struct";
      readonly name: string | undefined;
      /** Absent where the type is only named. */
      readonly body: readonly BodyEntry[] | undefined;
      readonly align: Expression | undefined;
      readonly line: number;
    }
  | {
      readonly kind: "variant";
      readonly name: string | undefined;
      /** The path of the tag, as written. */
      readonly tag: string | undefined;
      readonly body: readonly BodyEntry[] | undefined;
      readonly line: number;
    }
  | {
      readonly kind: "enum";
      readonly name: string | undefined;
      readonly container: TypeSyntax | undefined;
      readonly body: readonly Enumerator[] | undefined;
      readonly line: number;
    }
  /** A name made by typealias or typedef; several words are joined by spaces, as in `unsigned long`. */
  | { readonly kind: "named"; readonly name: string; readonly line: number };

/** One name of an enumeration, for a value, a range, or (without bounds) the value after the one before. */
export interface Enumerator {
  readonly label: string;
  readonly first: bigint | undefined;
  readonly last: bigint | undefined;
  readonly line: number;
}

/** What stands around a name in a declaration: `*`s before it and lengths in brackets after it. */
export interface Declarator {
  /** Absent where only a type is meant, as in a typealias. */
  readonly name: string | undefined;
  /** ` *` or ` * const` for each pointer. */
  readonly pointers: string;
  readonly lengths: readonly Expression[];
  readonly line: number;
}

/** `typealias type declarator := name;`. The alias's name includes its pointers. */
export interface Typealias {
  readonly kind: "typealias";
  readonly type: TypeSyntax;
  readonly declarator: Declarator;
  readonly alias: string;
  readonly line: number;
}

/** `typedef type declarator, ...;`. */
export interface Typedef {
  readonly kind: "typedef";
  readonly type: TypeSyntax;
  readonly declarators: readonly Declarator[];
  readonly line: number;
}

/** `type declarator, ...;` in a structure or a variant. */
export interface FieldDeclaration {
  readonly kind: "field";
  readonly type: TypeSyntax;
  readonly declarators: readonly Declarator[];
  readonly line: number;
}

/** What a structure's or a variant's body holds. */
export type BodyEntry = Typealias | Typedef | FieldDeclaration;

/** What a block (`trace { ... };`) holds. */
export type BlockEntry = Typealias | Typedef | Assignment | TypeAssignment;

/** A block of the metadata. */
export interface Block {
  readonly kind: "trace" | "env" | "clock" | "stream" | "event" | "callsite";
  readonly entries: readonly BlockEntry[];
  readonly line: number;
}

/** A type declared for its name, as in `struct point { ... };`. */
export interface TypeDeclaration {
  readonly kind: "type";
  readonly type: TypeSyntax;
  readonly line: number;
}

/** The whole metadata. */
export interface Metadata {
  readonly blocks: readonly Block[];
  readonly declarations: readonly (Typealias | Typedef | TypeDeclaration)[];
  /** Line where a last, unfinished declaration began, which was left out: the text ends in its middle. */
  readonly unfinishedLine: number | undefined;
}
