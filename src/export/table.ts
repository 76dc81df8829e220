// The events of a trace as rows of one table: which columns there are, and the cells of an event. Used by csv.ts and
// parquet.ts. Every field that occurs is a column; events that do not have it leave it empty.
import { eventClassAt, type EventRecord } from "../ctf/events.ts";
import { type Fields, type FieldValue, isBoolean } from "../ctf/objects.ts";
import type { Trace } from "../ctf/trace.ts";
import type { EventClass, FieldType, StructType } from "../ctf/types.ts";
import { jsonValue } from "../report/json.ts";
import { dataMembers, isBytes } from "./fields.ts";
import type { ExportSource } from "./source.ts";

/**
 * What a column's cells are. `i32`: integers of 32 bits; `i64`, `u64`: bigints; `list`: arrays of these or numbers; `json`:
 * text, of variants and of other arrays.
 */
export type CellKind = "i32" | "i64" | "u64" | "f64" | "bool" | "text" | "bytes" | "json" | ListKind;
export type ListKind = "list i64" | "list u64" | "list f64";

/** A value of a column. */
export type Cell = number | bigint | boolean | string | Uint8Array | readonly (number | bigint)[];

/** A column of the table. */
export interface TableColumn {
  readonly name: string;
  readonly kind: CellKind;
}

/** Where a field stands in an event's record, and how the place is called where names clash. */
const SCOPES = [
  ["packetContext", "packet"],
  ["streamContext", "stream"],
  ["context", "context"],
  ["fields", "fields"],
] as const;
type Scope = (typeof SCOPES)[number][0];

/** Columns after the time that every row has: the event's name, and where it is from. */
const FIRST_COLUMNS: readonly TableColumn[] = [
  { name: "event", kind: "text" },
  { name: "pid", kind: "i64" },
  { name: "program", kind: "text" },
];

/** What our packets say of themselves, for recovery. */
const NOT_DATA: ReadonlySet<string> = new Set(["event_count"]);

/** A field of one event class. */
interface Leaf {
  readonly event: EventClass;
  readonly scope: Scope;
  readonly path: readonly string[];
  readonly type: FieldType;
}

/** Where the cells of a class's events come from. */
interface Source {
  readonly column: number;
  readonly scope: Scope;
  readonly path: readonly string[];
  readonly kind: CellKind;
}

/**
 * The table of the events that a filter may let through. Fields of one name and alike in type, of whichever events, are
 * one column. Where a name stands for several columns, each is called by what it
 * is (`value:f64`); where contexts have a field of that name, or the table a column, by where it is (`fields.tid`).
 */
export class Table {
  readonly columns: readonly TableColumn[];
  readonly #sources = new Map<EventClass, Source[]>();
  readonly #origins: ReadonlyMap<
    string,
    { readonly pid: bigint | undefined; readonly program: string | undefined }
  >;

  /**
   * Reads the trace once, without its fields, to know which events there are.
   *
   * @param time name of the first column: nanoseconds since the Unix epoch
   */
  constructor({ set, filter }: ExportSource, time: string) {
    const first: readonly TableColumn[] = [{ name: time, kind: "i64" }, ...FIRST_COLUMNS];
    this.#origins = new Map(set.traces.map((trace) => [trace.path, originOf(trace)]));
    const leaves = [...occurring({ set, filter })].flatMap(leavesOf);
    const groups = [...Map.groupBy(leaves, columnKey).values()].map((members) => {
      const kind = members.map(({ type }) => kindOf(type)).reduce(wider);
      return { members, kind, name: members[0]?.path.join(".") ?? "", scope: members[0]?.scope ?? "fields" };
    });
    const names = uniqueNames(groups, new Set(first.map(({ name }) => name)));
    for (const [at, { members, kind }] of groups.entries()) {
      for (const { event, scope, path } of members) {
        const sources = this.#sources.get(event) ?? [];
        sources.push({ column: first.length + at, scope, path, kind });
        this.#sources.set(event, sources);
      }
    }
    this.columns = [...first, ...groups.map(({ kind }, at) => ({ name: names[at] ?? "", kind }))];
  }

  /** Gives each cell of an event's row that is not empty. */
  cells(record: EventRecord, put: (column: number, cell: Cell) => void): void {
    if (record.time !== undefined) put(0, record.time);
    put(1, record.name);
    const origin = this.#origins.get(record.stream.path);
    if (origin?.pid !== undefined) put(2, origin.pid);
    if (origin?.program !== undefined) put(3, origin.program);
    for (const { column, scope, path, kind } of this.#sources.get(record.event) ?? []) {
      let value: FieldValue | undefined = record[scope];
      for (const name of path) value = (value as Fields | undefined)?.[name];
      if (value !== undefined) put(column, cellOf(value, kind));
    }
  }
}

/** The classes of the events there are in the time, and the threads, that were asked for. */
function occurring({ set, filter }: Pick<ExportSource, "set" | "filter">): Set<EventClass> {
  const found = new Set<EventClass>();
  for (const stream of set.streams) {
    const seen = new Uint8Array(stream.streamClass.events.length);
    for (const batch of set.batches(stream, filter.range)) {
      if (filter.wantsBatch(batch) === false) continue;
      for (let at = 0; at < batch.length; at += 1) {
        const index = batch.classes[at] ?? 0;
        if (seen[index] === 1) continue;
        seen[index] = 1;
        const event = eventClassAt(batch, at);
        if (filter.wantsClass(event)) found.add(event);
      }
    }
  }
  // In the order of the metadata, not of the clock.
  return new Set(
    set.traces
      .flatMap(({ traceClass }) => traceClass.streamClasses.flatMap(({ events }) => events))
      .filter((event) => found.has(event)),
  );
}

function originOf({ traceClass }: Trace): { pid: bigint | undefined; program: string | undefined } {
  const environment = traceClass.environment;
  const pid = environment.get("pid") ?? environment.get("vpid");
  const program = environment.get("program") ?? environment.get("procname");
  return {
    pid: typeof pid === "bigint" ? pid : undefined,
    program: program === undefined ? undefined : String(program),
  };
}

function leavesOf(event: EventClass): Leaf[] {
  const types: Readonly<Record<Scope, StructType | undefined>> = {
    packetContext: event.streamClass.packetContext,
    streamContext: event.streamClass.eventContext,
    context: event.context,
    fields: event.fields,
  };
  const leaves: Leaf[] = [];
  const walk = (scope: Scope, type: StructType | undefined, path: readonly string[]): void => {
    for (const member of dataMembers(type)) {
      if (scope === "packetContext" && NOT_DATA.has(member.name)) continue;
      const here = [...path, member.name];
      if (member.type.kind === "struct") walk(scope, member.type, here);
      else leaves.push({ event, scope, path: here, type: member.type });
    }
  };
  for (const [scope] of SCOPES) walk(scope, types[scope], []);
  return leaves;
}

/** Fields with one key share a column. */
function columnKey({ scope, path, type }: Leaf): string {
  const kind = kindOf(type);
  return JSON.stringify([scope, path, kind === "i32" ? "i64" : kind]);
}

function wider(one: CellKind, other: CellKind): CellKind {
  return one === other ? one : "i64";
}

function kindOf(type: FieldType): CellKind {
  switch (type.kind) {
    case "integer":
      return type.size > (type.signed ? 32 : 31) ? (type.size === 64 && !type.signed ? "u64" : "i64") : "i32";
    case "enum":
      return isBoolean(type) ? "bool" : "text";
    case "float":
      return "f64";
    case "string":
      return "text";
    case "array":
    case "sequence": {
      if (type.text) return "text";
      const { element } = type;
      if (element.kind === "float") return "list f64";
      if (element.kind !== "integer") return "json";
      if (isBytes(type)) return "bytes";
      return element.size === 64 && !element.signed ? "list u64" : "list i64";
    }
    case "variant":
    case "struct":
      return "json";
  }
}

/** A value as its column's kind has it. */
function cellOf(value: FieldValue, kind: CellKind): Cell {
  if (kind === "json") return JSON.stringify(value, jsonValue);
  if (kind === "i32" || kind === "f64") return Number(value);
  if (kind === "i64" || kind === "u64") return integerOfValue(value);
  // An enumeration's value without a label is its number; of a boolean's, everything but 0 is true.
  if (kind === "bool") return typeof value === "boolean" ? value : value !== 0;
  if (kind === "text") return typeof value === "string" ? value : String(value);
  const elements = Array.isArray(value) ? value : [];
  if (kind === "bytes") return Uint8Array.from(elements, Number);
  return elements.map((element) => (kind === "list f64" ? Number(element) : integerOfValue(element)));
}

function integerOfValue(value: FieldValue): bigint {
  return typeof value === "bigint" ? value : BigInt(Number(value));
}

function rank(scope: Scope): number {
  return SCOPES.findIndex(([one]) => one === scope);
}

/** Names of columns, none of them twice, nor one of the first columns'. */
function uniqueNames(
  columns: readonly { readonly name: string; readonly scope: Scope; readonly kind: CellKind }[],
  first: ReadonlySet<string>,
): string[] {
  const byName = Map.groupBy(columns, ({ name }) => name);
  const names = columns.map(({ name, scope, kind }) => {
    const alike = byName.get(name) ?? [];
    const elsewhere = first.has(name) || alike.some((other) => rank(other.scope) < rank(scope));
    const sameScope = alike.filter((other) => other.scope === scope).length > 1;
    const place = SCOPES.find(([one]) => one === scope)?.[1] ?? "";
    return `${elsewhere ? `${place}.` : ""}${name}${sameScope ? `:${kind.replace(" ", "-")}` : ""}`;
  });
  const taken = new Set(first);
  return names.map((name) => {
    let free = name;
    while (taken.has(free)) free += "_";
    taken.add(free);
    return free;
  });
}
