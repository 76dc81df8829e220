/**
 * Provider `sqlite`: what runs in a bun:sqlite database, as spans `query` with the
 * SQL (never the values bound to it) and `transaction`. Called by the preload, in
 * every traced thread.
 */
import { Database, Statement } from "bun:sqlite";

import { provider } from "../record/tracepoint.ts";
import { thread } from "../record/thread.ts";
import { cut, errorText } from "./text.ts";
import {
  type AroundNative,
  type AroundOwn,
  type AroundRows,
  type Callable,
  isCallable,
  replace,
  wrapNative,
  wrapOwn,
  wrapRows,
} from "./wrap.ts";

/** Longest SQL in an event, characters. */
const MAX_SQL = 4096;

const KINDS = ["default", "deferred", "immediate", "exclusive"] as const;

function define() {
  const sqlite = provider("sqlite");
  return {
    query: sqlite.span("query", [["sql", "string"]], {
      end: [
        ["rows", "u32"],
        ["error", "string"],
      ],
    }),
    transaction: sqlite.span("transaction", [["kind", { enum: KINDS }]]),
    prepareFailed: sqlite.tracepoint("prepare_failed", [
      ["sql", "string"],
      ["error", "string"],
    ]),
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

const runs: Omit<AroundNative<number>, "before"> = {
  thrown(id, error) {
    left();
    events().query.end(id, true, 0, errorText(error));
  },
  returned(id, result) {
    left();
    events().query.end(id, false, rowsOf(result), "");
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

const aroundStatement: AroundNative<number> = { ...runs, before: (self) => beginInside(sqlFor(self)) };

const aroundDatabase: AroundNative<number> = { ...runs, before: (_, [sql]) => beginInside(sql) };

const aroundRows: AroundRows<number> = {
  before: (self) => begin(sqlFor(self)),
  ended(id, rows, failure) {
    events().query.end(id, failure !== undefined, rows, failure ? errorText(failure.error) : "");
  },
};

/**
 * The wrappers by their originals: a statement's methods are its own properties, but a
 * few functions shared by all statements, and `exec` is `run`. What was the same
 * function stays the same function.
 */
const wrapped = new Map<Callable, Callable>();

function once(original: Callable, wrap: () => Callable): Callable {
  let wrapper = wrapped.get(original);
  if (!wrapper) wrapped.set(original, (wrapper = wrap()));
  return wrapper;
}

const METHODS = ["get", "all", "values", "raw", "run", "iterate"] as const;

function adopt(statement: unknown, sql: string): void {
  if (!(statement instanceof Statement) || sqlOf.has(statement)) return;
  sqlOf.set(statement, sql);
  for (const name of METHODS) {
    const original: unknown = Reflect.get(statement, name);
    if (!isCallable(original)) continue;
    const wrap = (): Callable =>
      name === "iterate" ? wrapRows(original, aroundRows) : wrapNative(original, aroundStatement);
    Reflect.set(statement, name, once(original, wrap));
  }
}

const aroundPrepare: AroundNative<string> = {
  before: (_, [sql]) => (typeof sql === "string" ? sql : undefined),
  thrown(sql, error) {
    events().prepareFailed(cut(sql, MAX_SQL), errorText(error));
  },
  returned(sql, statement) {
    adopt(statement, sql);
    return statement;
  },
};

function aroundTransaction(kind: (typeof KINDS)[number]): AroundOwn<number> {
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
  const variants: PropertyDescriptorMap = {};
  for (const kind of KINDS) {
    const descriptor = Object.getOwnPropertyDescriptor(transaction, kind);
    if (!isCallable(descriptor?.value)) return transaction;
    variants[kind] = { ...descriptor, value: wrapOwn(descriptor.value, aroundTransaction(kind), KINDS) };
  }
  for (const { value } of Object.values(variants)) Object.defineProperties(value, variants);
  return isCallable(variants["default"]?.value) ? variants["default"].value : transaction;
}

/** Replaces the methods of `Database` that run SQL or make statements. */
export function instrumentSqlite(): void {
  for (const name of ["query", "prepare"])
    replace(Database.prototype, name, (original) => wrapNative(original, aroundPrepare));
  for (const name of ["run", "exec"])
    replace(Database.prototype, name, (original) =>
      once(original, () => wrapNative(original, aroundDatabase)),
    );
  replace(Statement.prototype, Symbol.iterator, (original) => wrapRows(original, aroundRows));
  replace(Database.prototype, "transaction", (original) =>
    wrapNative<true>(original, {
      before: () => true,
      thrown() {},
      returned: (_, transaction) => (isCallable(transaction) ? traceVariants(transaction) : transaction),
    }),
  );
}
