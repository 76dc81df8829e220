/**
 * Parses the values of babeltrace2's text output (sink.text.pretty with
 * `--fields=loglevel,trace --names=all --clock-seconds`) into objects. Runs in the
 * test process; an oracle, so it shares nothing with src/ctf.
 */

/** A field's value: numbers that a double cannot hold are bigints, an enumeration is its label. */
export type Value = number | bigint | string | Value[] | { [name: string]: Value };

/** One event record as babeltrace2 shows it. */
export interface TraceEvent {
  readonly name: string;
  /** Nanoseconds since 1970. */
  readonly timeNs: bigint;
  /** Name of the trace: PROGRAM-PID. */
  readonly trace: string;
  readonly level: number;
  /** Of the packet. */
  readonly tid: number;
  readonly threadName: string;
  readonly eventCount: number;
  /** Without the lengths that stand before arrays; those are checked. */
  readonly fields: { [name: string]: Value };
}

const HEAD =
  /^timestamp = (\d+)\.(\d{9}), trace = (\S*), (?:\S*, )?loglevel = \w+ \((\d+)\), name = (\S+), stream\.packet\.context = /;
const BETWEEN = ", event.fields = ";
const WORD = /[^ ,]*/y;
const PLAIN = /[^"\\]*/y;

/** Parses one line. @throws Error with the place where it cannot be understood. */
export function parseLine(line: string): TraceEvent {
  const head = HEAD.exec(line);
  if (!head) throw new Error(`no event: ${line.slice(0, 300)}`);
  const [all, seconds, ns, trace, level, name] = head;
  const cursor = new Cursor(line, all.length);
  const context = structure(cursor);
  cursor.take(BETWEEN);
  const fields = withoutLengths(structure(cursor));
  if (cursor.at !== line.length) throw new Error(`more than an event: ${line.slice(0, 300)}`);
  return {
    name: name ?? "",
    timeNs: BigInt(seconds ?? 0) * 1_000_000_000n + BigInt(ns ?? 0),
    trace: trace ?? "",
    level: Number(level),
    tid: Number(context["tid"]),
    threadName: String(context["thread_name"]),
    eventCount: Number(context["event_count"]),
    fields,
  };
}

/** A place in a line. */
class Cursor {
  constructor(
    readonly text: string,
    public at: number,
  ) {}

  take(expected: string): void {
    if (!this.text.startsWith(expected, this.at))
      throw new Error(`no ${JSON.stringify(expected)} at ${this.text.slice(this.at, this.at + 60)}`);
    this.at += expected.length;
  }

  /** What the sticky expression matches here, which may be nothing. */
  match(expression: RegExp): string {
    expression.lastIndex = this.at;
    const found = expression.exec(this.text)?.[0] ?? "";
    this.at += found.length;
    return found;
  }

  is(expected: string): boolean {
    return this.text.startsWith(expected, this.at);
  }
}

function structure(cursor: Cursor): { [name: string]: Value } {
  const out: { [name: string]: Value } = Object.create(null) as { [name: string]: Value };
  cursor.take("{ ");
  while (!cursor.is("}")) {
    if (Object.keys(out).length > 0) cursor.take(", ");
    const name = cursor.match(WORD);
    cursor.take(" = ");
    out[name] = value(cursor);
    if (cursor.is(" }")) cursor.take(" ");
  }
  cursor.take("}");
  return { ...out };
}

function array(cursor: Cursor): Value[] {
  const out: Value[] = [];
  cursor.take("[ ");
  while (!cursor.is("]")) {
    if (out.length > 0) cursor.take(", ");
    cursor.take(`[${out.length}] = `);
    out.push(value(cursor));
    if (cursor.is(" ]")) cursor.take(" ");
  }
  cursor.take("]");
  return out;
}

function value(cursor: Cursor): Value {
  if (cursor.is('"')) return text(cursor);
  if (cursor.is("{")) return structure(cursor);
  if (cursor.is("[")) return array(cursor);
  if (cursor.is("(")) return label(cursor);
  return toNumber(cursor.match(WORD));
}

/** An enumeration: its label, or its number where it has none. */
function label(cursor: Cursor): Value {
  cursor.take("( ");
  let name: string | undefined;
  if (cursor.is("<unknown>")) cursor.take("<unknown>");
  else name = text(cursor);
  cursor.take(" : container = ");
  const number = toNumber(cursor.match(WORD));
  cursor.take(" )");
  return name ?? number;
}

function toNumber(word: string): number | bigint {
  if (/^-?\d+$/.test(word)) {
    const number = Number(word);
    return Number.isSafeInteger(number) ? number : BigInt(word);
  }
  const number = word.endsWith("inf") ? Infinity * (word.startsWith("-") ? -1 : 1) : Number(word);
  if (Number.isNaN(number) && !word.endsWith("nan")) throw new Error(`no number: ${word}`);
  return number;
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  e: "\x1b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

function text(cursor: Cursor): string {
  cursor.take('"');
  let out = "";
  for (;;) {
    out += cursor.match(PLAIN);
    if (cursor.is('"')) break;
    const letter = cursor.text.charAt(cursor.at + 1);
    if (letter === "x") {
      out += String.fromCharCode(Number.parseInt(cursor.text.slice(cursor.at + 2, cursor.at + 4), 16));
      cursor.at += 4;
    } else {
      out += ESCAPES[letter] ?? letter;
      cursor.at += 2;
    }
  }
  cursor.take('"');
  return out;
}

/** Takes away `_NAME_length`, which stands before each array NAME, after comparing it. */
function withoutLengths(fields: { [name: string]: Value }): { [name: string]: Value } {
  let before = "";
  for (const [name, list] of Object.entries(fields)) {
    if (Array.isArray(list)) {
      if (!new RegExp(`^_+${name}_length$`).test(before) || fields[before] !== list.length)
        throw new Error(`${before} is ${String(fields[before])} before ${list.length} elements of ${name}`);
      delete fields[before];
    }
    before = name;
  }
  return fields;
}
