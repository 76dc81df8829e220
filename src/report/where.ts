// The predicate of --where: comparisons of fields, joined by && and ||, such as `status >= 500 && url ~ "^/api"`. Parsed
// once, then asked for every event. Nothing of it is run as code.
import { EXIT_USAGE, UserError } from "../errors.ts";
import type { FieldValue } from "../ctf/objects.ts";

/** What is compared: a field's value; of an enumeration, its label and what that stands for. */
export type Operand = FieldValue | Labelled;

/** A value of an enumeration. */
export class Labelled {
  /** The first is the one that is shown. */
  readonly labels: readonly [string, ...string[]];
  /** The value; not known where the label stands for several. */
  readonly number: bigint | undefined;

  constructor(labels: readonly [string, ...string[]], number: bigint | undefined) {
    this.labels = labels;
    this.number = number;
  }
}

/** Finds a field by its name, dots for members of structures; nothing if the event does not have it. */
export type Lookup = (name: string) => Operand | undefined;

/** Whether an event passes. */
export type Predicate = (field: Lookup) => boolean;

/** Parentheses and negations within each other. */
const MAX_DEPTH = 100;

const TOKEN =
  /\s*(?:(&&|\|\||==|!=|<=|>=|[<>~!()])|(-?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?:ns|us|ms|s)?))(?![\w.])|("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|([A-Za-z_][\w.]*))/y;

interface Token {
  readonly kind: "operator" | "number" | "string" | "name" | "end";
  readonly text: string;
}

/**
 * Parses a predicate. Operators: `==` `!=` `<` `<=` `>` `>=`, `~` (regular expression), `!`, `&&`, `||` and parentheses;
 * operands: numbers, times such as `1.5ms` (as nanoseconds), strings in quotes, true, false and fields. A boolean is also
 * 1 or 0, and "true" or "false"; an enumeration is its labels, and its number unless the label stands for several. A
 * comparison with a field that the event does not have is false; a field alone is true when the event has it and it is
 * not 0, false or empty.
 *
 * @throws UserError saying where it is wrong
 */
export function parseWhere(text: string): Predicate {
  const tokens = tokenize(text);
  let at = 0;
  let depth = 0;
  const predicate = parseOr();
  if (peek().kind !== "end") throw fail(text, `unexpected ${peek().text}`);
  return predicate;

  function parseOr(): Predicate {
    let left = parseAnd();
    while (accept("||")) {
      const [one, other] = [left, parseAnd()];
      left = (field) => one(field) || other(field);
    }
    return left;
  }

  function parseAnd(): Predicate {
    let left = parseNot();
    while (accept("&&")) {
      const [one, other] = [left, parseNot()];
      left = (field) => one(field) && other(field);
    }
    return left;
  }

  function parseNot(): Predicate {
    depth += 1;
    if (depth > MAX_DEPTH) throw fail(text, "nested too deep");
    try {
      if (accept("!")) {
        const inner = parseNot();
        return (field) => !inner(field);
      }
      if (accept("(")) {
        const inner = parseOr();
        if (!accept(")")) throw fail(text, "a ) is missing");
        return inner;
      }
      return parseComparison();
    } finally {
      depth -= 1;
    }
  }

  function parseComparison(): Predicate {
    const left = parseOperand();
    const operator = peek();
    if (operator.kind !== "operator" || !/^(==|!=|<=?|>=?|~)$/.test(operator.text)) {
      return (field) => Boolean(left(field));
    }
    at += 1;
    if (operator.text === "~") {
      const token = next();
      if (token.kind !== "string") throw fail(text, "a regular expression in quotes is expected after ~");
      const pattern = regularExpression(unquote(token.text));
      return (field) => {
        const value = left(field);
        if (value instanceof Labelled) return value.labels.some((label) => pattern.test(label));
        return value !== undefined && pattern.test(String(value));
      };
    }
    const right = parseOperand();
    const test = TESTS[operator.text] ?? (() => false);
    return (field) => {
      const order = compare(left(field), right(field));
      return order !== undefined && test(order);
    };
  }

  function parseOperand(): (field: Lookup) => Operand | undefined {
    const token = next();
    if (token.kind === "number") {
      const value = numberOf(token.text);
      return () => value;
    }
    if (token.kind === "string") {
      const value = unquote(token.text);
      return () => value;
    }
    if (token.kind !== "name") throw fail(text, `a field or a value is expected, not ${token.text}`);
    if (token.text === "true" || token.text === "false") {
      const value = token.text === "true";
      return () => value;
    }
    return (field) => field(token.text);
  }

  function regularExpression(source: string): RegExp {
    try {
      return new RegExp(source);
    } catch {
      throw fail(text, `${JSON.stringify(source)} is no regular expression`);
    }
  }

  function peek(): Token {
    return tokens[at] ?? { kind: "end", text: "the end" };
  }

  function next(): Token {
    const token = peek();
    at += 1;
    return token;
  }

  function accept(operator: string): boolean {
    if (peek().kind !== "operator" || peek().text !== operator) return false;
    at += 1;
    return true;
  }
}

/** The names of the fields that a predicate asks for. @throws UserError as {@link parseWhere} */
export function fieldsInWhere(text: string): string[] {
  return tokenize(text)
    .filter(({ kind, text: name }) => kind === "name" && name !== "true" && name !== "false")
    .map((token) => token.text);
}

const TESTS: Readonly<Record<string, (order: number) => boolean>> = {
  "==": (order) => order === 0,
  "!=": (order) => order !== 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
};

/** Negative, zero or positive; NaN where there is only equal and not; nothing when a field is missing. */
function compare(left: Operand | undefined, right: Operand | undefined): number | undefined {
  if (left === undefined || right === undefined) return undefined;
  if (left instanceof Labelled) return compareLabelled(left, right);
  if (right instanceof Labelled) return -compareLabelled(right, left);
  if (typeof left === "boolean" || typeof right === "boolean") return compareBooleans(left, right);
  if (isNumeric(left) && isNumeric(right))
    return left < right ? -1 : left > right ? 1 : left == right ? 0 : NaN;
  if (typeof left === "string" && typeof right === "string") return left < right ? -1 : left > right ? 1 : 0;
  return NaN;
}

/** With a number by the number, with all else by the labels. */
function compareLabelled({ labels, number }: Labelled, other: Operand): number {
  if (!(other instanceof Labelled) && isNumeric(other)) {
    return number === undefined ? NaN : number < other ? -1 : number > other ? 1 : 0;
  }
  const others: readonly string[] = other instanceof Labelled ? other.labels : [String(other)];
  if (labels.some((label) => others.includes(label))) return 0;
  return labels[0] < (others[0] ?? "") ? -1 : 1;
}

/** Where one is a boolean, it is a number beside a number, a word beside a word. */
function compareBooleans(left: FieldValue, right: FieldValue): number {
  if (typeof left === "string" || typeof right === "string") return String(left) === String(right) ? 0 : NaN;
  return Number(left) === Number(right) ? 0 : NaN;
}

function isNumeric(value: FieldValue): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

/** Of a number with a unit, the nanoseconds. */
function numberOf(text: string): number | bigint {
  const [, digits = "", unit = ""] = /^([^nums]*)([nums]+)$/.exec(text) ?? [];
  if (unit !== "") return Math.round(Number(digits) * (UNITS[unit] ?? 1));
  if (/[.eE]/.test(text) && !/^-?0[xX]/.test(text)) return Number(text);
  const value = text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function unquote(text: string): string {
  // Only the quotes and the backslash need escaping; others are left to regular expressions.
  return text.slice(1, -1).replace(/\\(["'\\])/g, (_all, character: string) => character);
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  const end = text.trimEnd().length;
  while (TOKEN.lastIndex < end) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw fail(text, `${text.slice(start).trim().slice(0, 10)} is not understood`);
    const [, operator, number, string, name] = match;
    if (operator !== undefined) tokens.push({ kind: "operator", text: operator });
    else if (number !== undefined) tokens.push({ kind: "number", text: number });
    else if (string !== undefined) tokens.push({ kind: "string", text: string });
    else if (name !== undefined) tokens.push({ kind: "name", text: name });
  }
  if (tokens.length === 0) throw fail(text, "it is empty");
  return tokens;
}

function fail(text: string, message: string): UserError {
  return new UserError(`--where ${text}: ${message}`, EXIT_USAGE);
}
