/**
 * Provider `sqlite`: what runs in a bun:sqlite database, as spans `query` with the
 * SQL (never the values bound to it) and `transaction`. Called by the preload, in
 * every traced thread.
 */
import type { Statement } from "bun:sqlite";

import { provider } from "../record/tracepoint.ts";
import { thread } from "../record/thread.ts";
import { cut } from "../record/text.ts";
import { whenImported } from "./when-imported.ts";
import {
  type Around,
  type AroundRows,
  type Callable,
  disguise,
  isCallable,
  replace,
  wrap,
  wrapBare,
  wrapRows,
} from "./wrap.ts";

/** Longest SQL in an event, characters. */
const MAX_SQL = 4096;

const KINDS = ["default", "deferred", "immediate", "exclusive"] as const;

function define() {
  const sqlite = provider("sqlite");
  return {
    query: sqlite.span("query", [["sql", "string"]], { end: [["rows", "u32"]] }),
    transaction: sqlite.span("transaction", [["kind", { enum: KINDS }]]),
    prepareFailed: sqlite.tracepoint("prepare_failed", [["sql", "string"]], { level: "error" }),
  };
}

let defined: ReturnType<typeof define> | undefined;

/** Defined at the first query: a program that asks no database has no such events. */
function events(): ReturnType<typeof define> {
  return (defined ??= define());
}

/** The spans around those that run now, innermost last: all this is synchronous. */
const outer: number[] = [];

/** From here on what happens in this thread is inside the span: functions that the SQL calls, say. */
function entered(id: number): number {
  outer.push(thread.currentSpan);
  thread.currentSpan = id;
  return id;
}

function left(): void {
  thread.currentSpan = outer.pop() ?? 0;
}

/** Rows that a statement's method returned; changed ones for `run`. */
function rowsOf(result: unknown): number {
  if (Array.isArray(result)) return result.length;
  if (typeof result !== "object" || result === null) return 0;
  return "changes" in result && "lastInsertRowid" in result ? Number(result.changes) : 1;
}

const ends: Omit<Around<number>, "before"> = {
  left(id, threw) {
    left();
    if (threw) events().query.end(id, true);
  },
  returned(id, result) {
    events().query.end(id, false, rowsOf(result));
    return result;
  },
};

function begin(sql: unknown): number | undefined {
  const { query } = events();
  return typeof sql === "string" && query.enabled ? query.begin(cut(sql, MAX_SQL)) : undefined;
}

function beginInside(sql: unknown): number | undefined {
  const id = begin(sql);
  return id === undefined ? undefined : entered(id);
}

const sqlOf = new WeakMap<object, string>();

function sqlFor(statement: unknown): string | undefined {
  return typeof statement === "object" && statement !== null ? sqlOf.get(statement) : undefined;
}

const aroundStatement: Around<number> = { ...ends, before: (self) => beginInside(sqlFor(self)) };

const aroundDatabase: Around<number> = { ...ends, before: (_, [sql]) => beginInside(sql) };

const aroundRows: AroundRows<number> = {
  before: (self) => begin(sqlFor(self)),
  left: (id, threw, rows) => events().query.end(id, threw, rows),
};

/**
 * The wrappers by their originals: a statement's methods are its own properties, but a
 * few functions shared by all statements, and `exec` is `run`. What was the same
 * function stays the same function.
 */
const wrapped = new Map<Callable, Callable>();

function once(original: Callable, make: () => Callable): Callable {
  let wrapper = wrapped.get(original);
  if (!wrapper) wrapped.set(original, (wrapper = make()));
  return wrapper;
}

const METHODS = ["get", "all", "values", "raw", "run", "iterate"] as const;

function adopt(statement: unknown, sql: string): void {
  if (typeof statement !== "object" || statement === null || sqlOf.has(statement)) return;
  if (!StatementClass || !(statement instanceof StatementClass)) return;
  sqlOf.set(statement, sql);
  for (const name of METHODS) {
    const original: unknown = Reflect.get(statement, name);
    if (!isCallable(original)) continue;
    const wrapper = (): Callable =>
      name === "iterate" ? wrapRows(original, aroundRows) : wrap(original, aroundStatement);
    Reflect.set(statement, name, once(original, wrapper));
  }
}

const aroundPrepare: Around<string> = {
  before: (_, [sql]) => (typeof sql === "string" ? sql : undefined),
  left(sql, threw) {
    if (threw) events().prepareFailed(cut(sql, MAX_SQL));
  },
  returned(sql, statement) {
    adopt(statement, sql);
    return statement;
  },
};

function aroundTransaction(kind: (typeof KINDS)[number]): Around<number> {
  return {
    before() {
      const { transaction } = events();
      return transaction.enabled ? entered(transaction.begin(kind)) : undefined;
    },
    left(id, threw) {
      left();
      events().transaction.end(id, threw);
    },
    returned: (_, result) => result,
  };
}

/** The function that `Database#transaction` returns carries its variants, and they each other. */
function traceVariants(transaction: Callable): Callable {
  const originals: Callable[] = [];
  const variants: PropertyDescriptorMap = {};
  for (const kind of KINDS) {
    const descriptor = Object.getOwnPropertyDescriptor(transaction, kind);
    const original: unknown = descriptor?.value;
    if (!isCallable(original)) return transaction;
    originals.push(original);
    variants[kind] = { ...descriptor, value: wrapBare(original, aroundTransaction(kind)) };
  }
  const traced = Object.values(variants).map(({ value }, i) =>
    disguise(value, originals[i] ?? value, variants),
  );
  return traced[originals.indexOf(transaction)] ?? transaction;
}

/** The class, once the program has imported bun:sqlite. */
let StatementClass: typeof Statement | undefined;

/** Sees to databases from the first import of bun:sqlite on. */
export function instrumentSqlite(): void {
  whenImported("bun", "sqlite", () => {
    const sqlite = require("bun:sqlite") as typeof import("bun:sqlite");
    StatementClass = sqlite.Statement;
    replaceMethods(sqlite);
  });
}

/** Replaces the methods of `Database` that run SQL or make statements. */
function replaceMethods({ Database, Statement }: typeof import("bun:sqlite")): void {
  for (const name of ["query", "prepare"])
    replace(Database.prototype, name, (original) => wrap(original, aroundPrepare));
  for (const name of ["run", "exec"])
    replace(Database.prototype, name, (original) => once(original, () => wrap(original, aroundDatabase)));
  replace(Statement.prototype, Symbol.iterator, (original) => wrapRows(original, aroundRows));
  replace(Database.prototype, "transaction", (original) =>
    wrap<true>(original, {
      before: () => true,
      left() {},
      returned: (_, transaction) => (isCallable(transaction) ? traceVariants(transaction) : transaction),
    }),
  );
}
