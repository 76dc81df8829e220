// Parses TSDL, the language of a CTF 1.8 trace's metadata (CTF 1.8.3 section C.2, and what babeltrace2 accepts), into
// the tree of syntax.ts. Called by trace.ts, once a trace.
import { CtfError } from "./errors.ts";
import { type Token, tokenize } from "./lexer.ts";
import type {
  Assignment,
  Block,
  BlockEntry,
  BodyEntry,
  Declarator,
  Enumerator,
  Expression,
  FieldDeclaration,
  Metadata,
  TypeAssignment,
  TypeDeclaration,
  TypeSyntax,
  Typealias,
  Typedef,
} from "./syntax.ts";

/** Types within types: deeper is no real trace, and would exhaust the stack. */
const MAX_DEPTH = 64;

const BLOCKS: ReadonlySet<string> = new Set(["trace", "env", "clock", "stream", "event", "callsite"]);

/** Words that are types, or parts of a type's name, by themselves. */
const TYPE_WORDS: ReadonlySet<string> = new Set([
  "const",
  "void",
  "char",
  "short",
  "int",
  "long",
  "float",
  "double",
  "signed",
  "unsigned",
  "_Bool",
  "_Complex",
  "_Imaginary",
]);

/**
 * Parses the text of a trace's metadata. A last declaration that the text breaks off in is left out and reported in the
 * result: that is what a writer leaves that died.
 *
 * @param file named in errors
 * @throws CtfError where the text is not TSDL
 */
export function parseTsdl(text: string, file: string): Metadata {
  const tokens = tokenize(text, file);
  const end = tokens[tokens.length - 1] ?? {
    kind: "end",
    text: "",
    value: 0n,
    line: 1,
  };
  let at = 0;
  let depth = 0;
  // A word is a type only once a typealias or typedef named it; as in C, its scope is the braces it stands in.
  const types: Set<string>[] = [new Set()];

  return parseFile();

  function parseFile(): Metadata {
    const blocks: Block[] = [];
    const declarations: (Typealias | Typedef | TypeDeclaration)[] = [];
    while (peek().kind !== "end") {
      const { line } = peek();
      const start = at;
      try {
        const word = peek().text;
        if (peek().kind === "word" && BLOCKS.has(word)) blocks.push(parseBlock());
        else if (word === ";") next();
        else declarations.push(parseDeclaration());
      } catch (error) {
        if (blocks.length > 0 && isUnfinished(start)) return { blocks, declarations, unfinishedLine: line };
        throw error;
      }
    }
    return { blocks, declarations, unfinishedLine: undefined };
  }

  /** Whether the declaration that begins at a token has no end. */
  function isUnfinished(start: number): boolean {
    let braces = 0;
    for (const { kind, text: word } of tokens.slice(start)) {
      if (kind !== "punctuation") continue;
      if (word === "{") braces += 1;
      else if (word === "}") braces -= 1;
      else if (word === ";" && braces <= 0) return false;
    }
    return true;
  }

  function parseBlock(): Block {
    const { text: word, line } = next();
    expect("{");
    const entries = scoped(() => {
      const list: BlockEntry[] = [];
      while (!accept("}")) list.push(parseBlockEntry());
      return list;
    });
    expect(";");
    return { kind: word as Block["kind"], entries, line };
  }

  function parseBlockEntry(): BlockEntry {
    const { line } = peek();
    if (atWord("typealias") || atWord("typedef")) return parseAlias();
    const left = parseExpression();
    if (left.kind !== "text") throw fail("a name is expected", line);
    let entry: Assignment | TypeAssignment;
    if (accept(":="))
      entry = {
        kind: "type-assignment",
        left: left.text,
        type: parseType(),
        line,
      };
    else {
      expect("=");
      entry = {
        kind: "assignment",
        left: left.text,
        right: parseExpression(),
        line,
      };
    }
    expect(";");
    return entry;
  }

  function parseDeclaration(): Typealias | Typedef | TypeDeclaration {
    const { line } = peek();
    if (atWord("typealias") || atWord("typedef")) return parseAlias();
    const type = parseType();
    if (atWord("typedef")) return parseTypedef(type);
    expect(";");
    return { kind: "type", type, line };
  }

  function parseAlias(): Typealias | Typedef {
    if (atWord("typedef")) return parseTypedef(undefined);
    const { line } = next();
    const type = parseType();
    const declarator = parseDeclarator();
    expect(":=");
    const words: string[] = [];
    while (peek().kind === "word") {
      const word = next().text;
      if (word === "struct" || word === "variant" || word === "enum") words.push(`${word} ${expectWord()}`);
      else {
        words.push(typeWord(word));
        if (!TYPE_WORDS.has(word)) declareType(word);
      }
    }
    if (words.length === 0) throw fail("a typealias needs a name", line);
    const alias = words.join(" ") + parsePointers();
    expect(";");
    return { kind: "typealias", type, declarator, alias, line };
  }

  /** `before` is the part of the type that C's grammar lets stand before the word. */
  function parseTypedef(before: TypeSyntax | undefined): Typedef {
    const { line } = next();
    const type = before !== undefined && !startsType(0) ? before : parseType();
    const declarators = parseDeclarators();
    for (const declarator of declarators) {
      if (declarator.name === undefined) throw fail("a typedef needs a name", line);
      declareType(declarator.name);
    }
    expect(";");
    return { kind: "typedef", type, declarators, line };
  }

  function parseType(): TypeSyntax {
    const { line } = peek();
    const words: string[] = [];
    let compound: TypeSyntax | undefined;
    while (startsType(compound === undefined ? words.length : 1)) {
      const word = next().text;
      const type = parseTypeKeyword(word, line);
      if (type === undefined) words.push(typeWord(word));
      // A type written out counts as the first of its list; qualifiers around it say nothing.
      else if (words.length === 0 && compound === undefined) compound = type;
      else words.push(typeName(type, line));
    }
    if (compound !== undefined) return compound;
    if (words.length === 0) throw fail(`a type is expected, not ${describe(peek())}`, line);
    return { kind: "named", name: words.join(" "), line };
  }

  function parseTypeKeyword(word: string, line: number): TypeSyntax | undefined {
    if (word === "integer" || word === "floating_point") {
      expect("{");
      return { kind: word, attributes: parseAttributes(), line };
    }
    if (word === "string")
      return {
        kind: "string",
        attributes: accept("{") ? parseAttributes() : [],
        line,
      };
    if (word === "struct") return nested(() => parseStruct(line));
    if (word === "variant") return nested(() => parseVariant(line));
    if (word === "enum") return nested(() => parseEnum(line));
    return undefined;
  }

  function parseAttributes(): Assignment[] {
    const attributes: Assignment[] = [];
    while (!accept("}")) {
      const { line } = peek();
      const left = parseExpression();
      if (left.kind !== "text") throw fail("an attribute's name is expected", line);
      expect("=");
      attributes.push({
        kind: "assignment",
        left: left.text,
        right: parseExpression(),
        line,
      });
      expect(";");
    }
    return attributes;
  }

  function parseStruct(line: number): TypeSyntax {
    const name = peek().kind === "word" ? next().text : undefined;
    if (!accept("{")) return { kind: "struct", name, body: undefined, align: undefined, line };
    const body = parseBody();
    let align: Expression | undefined;
    if (atWord("align")) {
      next();
      expect("(");
      align = parseExpression();
      expect(")");
    }
    return { kind: "struct", name, body, align, line };
  }

  function parseVariant(line: number): TypeSyntax {
    const name = peek().kind === "word" ? next().text : undefined;
    let tag: string | undefined;
    if (accept("<")) {
      const path = parseExpression();
      if (path.kind !== "text") throw fail("a variant's tag is a field", line);
      tag = path.text;
      expect(">");
    }
    const body = accept("{") ? parseBody() : undefined;
    return { kind: "variant", name, tag, body, line };
  }

  function parseEnum(line: number): TypeSyntax {
    const name = peek().kind === "word" ? next().text : undefined;
    const container = accept(":") ? parseType() : undefined;
    if (!accept("{")) return { kind: "enum", name, container, body: undefined, line };
    const body: Enumerator[] = [];
    while (!accept("}")) {
      const token = next();
      if (token.kind !== "word" && token.kind !== "string")
        throw fail("an enumerator's name is expected", token.line);
      let first: bigint | undefined;
      let last: bigint | undefined;
      if (accept("=")) {
        first = parseInteger();
        last = accept("...") ? parseInteger() : first;
      }
      body.push({ label: token.text, first, last, line: token.line });
      if (!accept(",") && peek().text !== "}")
        throw fail(`"," is expected, not ${describe(peek())}`, peek().line);
    }
    return { kind: "enum", name, container, body, line };
  }

  function parseBody(): BodyEntry[] {
    return scoped(() => {
      const entries: BodyEntry[] = [];
      while (!accept("}")) entries.push(parseBodyEntry());
      return entries;
    });
  }

  function parseBodyEntry(): BodyEntry {
    const { line } = peek();
    if (atWord("typealias") || atWord("typedef")) return parseAlias();
    const type = parseType();
    if (atWord("typedef")) return parseTypedef(type);
    const declarators = parseDeclarators();
    for (const { name } of declarators) if (name === undefined) throw fail("a field needs a name", line);
    expect(";");
    return {
      kind: "field",
      type,
      declarators,
      line,
    } satisfies FieldDeclaration;
  }

  function parseDeclarators(): Declarator[] {
    const list = [parseDeclarator()];
    while (accept(",")) list.push(parseDeclarator());
    return list;
  }

  function parseDeclarator(): Declarator {
    const { line } = peek();
    const pointers = parsePointers();
    const name = peek().kind === "word" ? next().text : undefined;
    const lengths: Expression[] = [];
    while (accept("[")) {
      lengths.push(parseExpression());
      expect("]");
      if (lengths.length > MAX_DEPTH) throw fail(`more than ${MAX_DEPTH} dimensions`, line);
    }
    return { name, pointers, lengths, line };
  }

  function parsePointers(): string {
    let pointers = "";
    while (accept("*")) {
      pointers += " *";
      while (atWord("const")) {
        next();
        pointers += " const";
      }
    }
    return pointers;
  }

  function parseInteger(): bigint {
    const value = parseExpression();
    if (value.kind !== "integer")
      throw fail(`a number is expected, not ${JSON.stringify(value.text)}`, value.line);
    return value.value;
  }

  function parseExpression(): Expression {
    const token = next();
    const { line } = token;
    if (token.text === "(" && token.kind === "punctuation") {
      const inner = nested(parseExpression);
      expect(")");
      return inner;
    }
    if ((token.text === "+" || token.text === "-") && token.kind === "punctuation") {
      const operand = nested(parseExpression);
      if (operand.kind !== "integer") throw fail(`a number is expected after "${token.text}"`, line);
      return {
        kind: "integer",
        value: token.text === "-" ? -operand.value : operand.value,
        line,
      };
    }
    if (token.kind === "integer") return { kind: "integer", value: token.value, line };
    if (token.kind !== "word" && token.kind !== "string")
      throw fail(`a value is expected, not ${describe(token)}`, line);
    let text = token.text;
    while (accept(".")) text += `.${expectWord()}`;
    return { kind: "text", text, line };
  }

  function startsType(wordsBefore: number): boolean {
    const { kind, text: word } = peek();
    if (kind !== "word") return false;
    if (TYPE_WORDS.has(word)) return true;
    const opens = tokens[at + 1]?.text ?? "";
    if (word === "integer" || word === "floating_point") return opens === "{";
    if (word === "string" || word === "struct" || word === "variant" || word === "enum") {
      // `uint8_t string;` names a field: a keyword is a name where a type went before and a declarator's end follows.
      return wordsBefore === 0 || !endsDeclarator(opens);
    }
    if (!types.some((scope) => scope.has(word))) return false;
    return wordsBefore === 0 || !endsDeclarator(opens);
  }

  function nested<T>(parse: () => T): T {
    depth += 1;
    if (depth > MAX_DEPTH) throw fail(`nested deeper than ${MAX_DEPTH}`, peek().line);
    const result = parse();
    depth -= 1;
    return result;
  }

  function scoped<T>(parse: () => T): T {
    types.push(new Set());
    const result = parse();
    types.pop();
    return result;
  }

  function declareType(name: string): void {
    types[types.length - 1]?.add(name);
  }

  function peek(): Token {
    return tokens[at] ?? end;
  }

  function next(): Token {
    const token = peek();
    if (token.kind === "end")
      throw new CtfError("the metadata ends in the middle of a declaration", place(token.line));
    at += 1;
    return token;
  }

  function atWord(word: string): boolean {
    return peek().kind === "word" && peek().text === word;
  }

  function accept(text: string): boolean {
    if (peek().kind !== "punctuation" || peek().text !== text) return false;
    at += 1;
    return true;
  }

  function expect(text: string): void {
    if (accept(text)) return;
    const token = next();
    throw fail(`"${text}" is expected, not ${describe(token)}`, token.line);
  }

  function expectWord(): string {
    const token = next();
    if (token.kind !== "word") throw fail(`a name is expected, not ${describe(token)}`, token.line);
    return token.text;
  }

  function typeName(type: TypeSyntax, line: number): string {
    if (type.kind === "struct" || type.kind === "variant" || type.kind === "enum") {
      if (type.name !== undefined) return `${type.kind} ${type.name}`;
    }
    throw fail("a type without a name cannot be a part of a name", line);
  }

  function place(line: number): { file: string; line: number } {
    return { file, line };
  }

  function fail(message: string, line: number): CtfError {
    return new CtfError(message, place(line));
  }
}

/** Whether a token that begins with this ends a declarator's name. */
function endsDeclarator(text: string): boolean {
  return text === ";" || text === "[" || text === "," || text === ":" || text === "";
}

/** A word as it is spelled in a type's name. */
function typeWord(word: string): string {
  return word === "_Bool" ? "bool" : word;
}

function describe(token: Token): string {
  return token.kind === "end" ? token.text : JSON.stringify(token.text);
}
