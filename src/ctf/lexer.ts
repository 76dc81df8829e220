// Cuts TSDL (the language of a CTF 1.8 trace's metadata, CTF 1.8.3 section C.1) into tokens. Called by tsdl-parser.ts.
// Keywords are not set apart from identifiers here: TSDL allows them as field names, so only the grammar can tell.
import { CtfError } from "./errors.ts";

/** One token of the metadata text. */
export interface Token {
  readonly kind: "word" | "integer" | "string" | "punctuation" | "end";
  /** The word, the string's value (escapes resolved) or the punctuation. */
  readonly text: string;
  /** The value, of an integer; 0n otherwise. */
  readonly value: bigint;
  /** Line of the text, from 1. */
  readonly line: number;
}

const UINT64_MAX = 0xffff_ffff_ffff_ffffn;

// One alternative a group; the order matters where one is the prefix of another.
const TOKEN =
  /(\s+|\/\*[\s\S]*?(?:\*\/|$)|\/\/[^\n]*)|((?:[A-Za-z_]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})(?:[A-Za-z0-9_]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})*(?!["']))|((?:0[xX][0-9A-Fa-f]+|[0-9]+)[uUlL]{0,3})|"((?:\\[\s\S]|[^\\"])*)"|'((?:\\[\s\S]|[^\\'])*)'|(\.\.\.|->|:=|[[\](){}*+\-<>:;.=,])/y;

/**
 * Cuts `text` into tokens; the last one is of kind `end`.
 *
 * @param file named in errors
 * @throws CtfError on a character or a literal that TSDL does not know
 */
export function tokenize(text: string, file: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) {
      // A quote without its other half: the text was cut there. The parser finds the end too early.
      if (text[start] === '"' || text[start] === "'") break;
      throw new CtfError(`unexpected ${JSON.stringify(text[start])} in the metadata`, { file, line });
    }
    const [whole, , word, integer, quoted, character, punctuation] = match;
    if (word !== undefined) tokens.push({ kind: "word", text: word, value: 0n, line });
    else if (integer !== undefined)
      tokens.push({
        kind: "integer",
        text: integer,
        value: integerValue(integer),
        line,
      });
    else if (punctuation !== undefined)
      tokens.push({ kind: "punctuation", text: punctuation, value: 0n, line });
    else if (quoted !== undefined || character !== undefined) {
      tokens.push({
        kind: "string",
        text: unescape(quoted ?? character ?? ""),
        value: 0n,
        line,
      });
    }
    for (let at = whole.indexOf("\n"); at >= 0; at = whole.indexOf("\n", at + 1)) line += 1;
  }
  tokens.push({
    kind: "end",
    text: "the end of the metadata",
    value: 0n,
    line,
  });
  return tokens;

  function integerValue(literal: string): bigint {
    const digits = literal.replace(/[uUlL]+$/, "");
    const octal = /^0[0-9]/.test(digits);
    if (octal && /[89]/.test(digits)) throw new CtfError(`${literal} is not an octal number`, { file, line });
    const value = BigInt(octal ? `0o${digits.slice(1)}` : digits);
    if (value > UINT64_MAX) throw new CtfError(`${literal} does not fit 64 bits`, { file, line });
    return value;
  }
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

function unescape(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(
    /\\(?:x([0-9A-Fa-f]+)|([0-7]{1,3})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([\s\S]))/g,
    (_all, hex?: string, octal?: string, short?: string, long?: string, other?: string) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex.slice(-2), 16));
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
      const code = short ?? long;
      if (code !== undefined) return String.fromCodePoint(Math.min(Number.parseInt(code, 16), 0x10ffff));
      return SIMPLE_ESCAPES[other ?? ""] ?? other ?? "";
    },
  );
}
