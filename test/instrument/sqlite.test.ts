/** Provider `sqlite`: databases do what they do untraced, and what runs in them is a span without values. */
import { expect, setDefaultTimeout, test } from "bun:test";

import { both, shown, spansOf } from "./both.ts";

setDefaultTimeout(120_000);

test("results, errors, identities; queries and transactions", async () => {
  const { ended, events } = await both("sqlite.ts", [], { session: { enable: ["sqlite:*"] } });
  expect(ended.status).toBe(0);
  const lines = spansOf(events, "sqlite:query").map(
    ({ begin, end }) =>
      `${String(begin["sql"])} = ${String(end["rows"])}${end["failed"] === "true" ? " failed" : ""}`,
  );
  const insert = "INSERT INTO t (name) VALUES ($name)";
  const inserted = `${insert} = 1`;
  const failed = `${insert} = 0 failed`;
  const all = "SELECT * FROM t";
  const one = "SELECT * FROM t WHERE id = ?";
  expect(lines).toEqual([
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE) = 0",
    "INSERT INTO t (name) VALUES ('a'), ('b') = 2",
    "INSERT INTO t (name) VALUES (?) = 1",
    `${all} = 3`,
    `${one} = 1`,
    `${one} = 0`,
    `${one} = 1`,
    `${one} = 1`,
    inserted,
    "SELECT * FROM t WHERE id = 1 = 1",
    "SELECT 7 AS changes = 1",
    `${"SELECT 1 -- ".padEnd(4096, "x")} = 1`,
    `${all} = 4`,
    `${all} = 4`,
    `${all} = 1`,
    `${all} = 1`,
    `${all} = 4`,
    "SELEC 3 = 0 failed",
    failed,
    "INSERT INTO t (name) VALUES ('a') RETURNING id = 0 failed",
    `${one} = 1`,
    "SELECT ?, ? = 0 failed",
    inserted,
    inserted,
    inserted,
    failed,
    inserted,
    inserted,
    inserted,
    inserted,
    inserted,
    `${one} = 1`,
    "SELECT 3 AS three -- own = 1",
    failed,
  ]);
  expect(shown(events, "sqlite:prepare_failed").length).toBe(0);
  const prepares = events.filter(({ name }) => name === "sqlite:prepare_failed");
  expect(prepares.map(({ fields }) => fields["sql"])).toEqual(["SELEC 1", "SELEC 2", "", "SELECT 4"]);
  const transactions = spansOf(events, "sqlite:transaction").map(
    ({ begin, end }) => `${String(begin["kind"])}${end["failed"] === "true" ? " failed" : ""}`,
  );
  expect(transactions).toEqual([
    "default",
    "default failed",
    "deferred",
    "immediate",
    "exclusive",
    "default",
    "immediate",
    "default",
    "default",
  ]);
  expect(JSON.stringify(events.map(({ fields }) => fields))).not.toContain("secret");
});

test("queries are inside their transaction, and nested ones inside the outer", async () => {
  const { events } = await both("sqlite.ts", [], { session: { enable: ["sqlite:*"] } });
  const transactions = spansOf(events, "sqlite:transaction");
  const queries = spansOf(events, "sqlite:query");
  const inside = (at: number): number =>
    queries.filter(({ parent }) => parent === transactions[at]?.id).length;
  expect(transactions.map((_, at) => inside(at))).toEqual([2, 2, 1, 1, 1, 0, 1, 1, 0]);
  expect(transactions[6]?.parent).toBe(transactions[5]?.id ?? -1);
  expect(queries.filter(({ parent }) => parent === 0)).toHaveLength(queries.length - 9);
});

test.each(["uncaught", "uncaught-inside", "uncaught-statement", "rejected"])(
  "an error that nobody catches: %s",
  async (way) => {
    const { ended } = await both("sqlite.ts", [way]);
    expect(ended.status).toBe(1);
  },
);
