/** Uses bun:sqlite in all ways and prints what comes. */
import { Database, Statement } from "bun:sqlite";

const database = new Database(":memory:");

function tried(what: string, run: () => unknown): void {
  try {
    console.log(what, run());
  } catch (error) {
    console.log(what, error, error instanceof Error && error.name, error instanceof Error && error.message);
  }
}

class Row {
  id = 0;
  name = "";
  get shout(): string {
    return this.name.toUpperCase();
  }
}

tried("run", () => database.run("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"));
tried("exec", () => database.exec("INSERT INTO t (name) VALUES ('a'), ('b')"));
tried("run bound", () => database.run("INSERT INTO t (name) VALUES (?)", ["secret"]));
const all = database.query("SELECT * FROM t");
const one = database.query("SELECT * FROM t WHERE id = ?");
const insert = database.prepare("INSERT INTO t (name) VALUES ($name)");
tried("cached", () => all === database.query("SELECT * FROM t"));
tried("not cached", () => database.prepare("SELECT 1") === database.prepare("SELECT 1"));
tried("all", () => all.all());
tried("get", () => one.get(2));
tried("get none", () => one.get(99));
tried("values", () => one.values(1));
tried("raw", () => Reflect.apply(Reflect.get(one, "raw"), one, [1]));
tried("run statement", () => insert.run({ $name: "c" }));
tried("as", () => database.query("SELECT * FROM t WHERE id = 1").as(Row).get()?.shout);
tried("a column of that name", () => database.query("SELECT 7 AS changes").get());
tried("long SQL", () => database.query(`SELECT 1 -- ${"x".repeat(10_000)}`).get());
tried("iterate", () => [...all.iterate()]);
tried("iterator", () => [...all]);
tried("early end", () => {
  for (const row of all.iterate()) return row;
  return "no rows";
});
tried("throw into", () => {
  const rows = all.iterate();
  rows.next();
  return rows.throw?.(new Error("thrown into the rows"));
});
tried("generator", () => [
  String(all.iterate()),
  typeof all.iterate().next,
  Array.from(all.iterate()).length,
]);

tried("bad SQL", () => database.query("SELEC 1"));
tried("bad SQL prepared", () => database.prepare("SELEC 2"));
tried("bad SQL run", () => database.run("SELEC 3"));
tried("no SQL", () => database.query(""));
tried("not a string", () => Reflect.apply(database.query, database, [5]));
tried("unique", () => insert.run({ $name: "a" }));
tried("unique in rows", () => [
  ...database.query("INSERT INTO t (name) VALUES ('a') RETURNING id").iterate(),
]);
tried("bound before", () => one.all());
tried("too few", () => database.query("SELECT ?, ?").all(1));
tried("wrong this", () => Reflect.apply(all.all, {}, []));
tried("wrong iterate", () => Reflect.apply(all.iterate, {}, []));

const add = database.transaction((...names: string[]) => {
  for (const name of names) insert.run({ $name: name });
  return names.length;
});
tried("transaction", () => add("d", "e"));
tried("rolled back", () => add("f", "a"));
tried("variants", () => [add.deferred("g"), add.immediate("h"), add.exclusive("i")]);
tried("nested", () => database.transaction(() => add.immediate("j"))());
tried("variants of variants", () => [
  add.deferred === Reflect.get(add.immediate, "deferred"),
  Reflect.get(add, "default") === add,
  Object.getOwnPropertyDescriptors(add),
  add.name,
  add.length,
  Reflect.get(add, "database") === database,
]);
tried("this", () => {
  const object = {
    name: "k",
    add: database.transaction(function (this: { name: string }) {
      return insert.run({ $name: this.name }).changes;
    }),
  };
  return object.add();
});
tried("not a function", () => Reflect.apply(database.transaction, database, [5]));
tried("async", () => database.transaction(async () => "done")());

tried("identity", () => [
  all instanceof Statement,
  all.constructor === Statement,
  database.run === database.exec,
  all.all === database.query("SELECT 2").all,
  Reflect.ownKeys(all),
]);
console.log(all, database);
for (const name of ["query", "prepare", "run", "exec", "transaction"] as const)
  console.log(name, database[name].name, database[name].length, Object.hasOwn(database, name));
for (const name of ["get", "all", "values", "run", "iterate"] as const)
  console.log(name, all[name].name, all[name].length, one[name].name, one[name].length);
tried("detached", () => {
  const { get } = one;
  return get.call(one, 1);
});

class Own extends Database {
  override prepare: Database["prepare"] = (sql, ...rest) => super.prepare(`${sql} -- own`, ...rest);
}
tried("subclass", () => new Own(":memory:").prepare("SELECT 3 AS three").get());
tried("columns", () => [all.columnNames, all.paramsCount, String(all)]);
insert.finalize();
tried("finalized", () => insert.run({ $name: "z" }));
database.close();
tried("closed", () => database.query("SELECT 4"));

if (process.argv[2] === "uncaught") setTimeout(() => new Database(":memory:").run("SELEC 5"), 1);
function inside(): string {
  return `${new Database(":memory:").run("SELEC 5").changes}`;
}
if (process.argv[2] === "uncaught-inside") setTimeout(() => void inside(), 1);
if (process.argv[2] === "uncaught-statement")
  setTimeout(() => new Database(":memory:").query("SELECT abs(-9223372036854775808)").all(), 1);
if (process.argv[2] === "rejected") void (async () => new Database(":memory:").query("SELEC 6"))();
