/**
 * Tables of events, read by csv-parse and hyparquet, and what they must hold: the
 * events' records, field by field. Runs in the test process.
 */
import { expect } from "bun:test";
import { parse } from "csv-parse/sync";
import { parquetReadObjects } from "hyparquet";

import type { EventRecord, Fields, FieldValue } from "../../../src/ctf/index.ts";
import { jsonValue } from "../../../src/report/json.ts";

export type Row = Readonly<Record<string, unknown>>;

/** Rows of a CSV file; cells are texts. */
export function readCsv(bytes: Uint8Array): Row[] {
  return parse(Buffer.from(bytes), { columns: true, record_delimiter: "\n" });
}

/** Rows of a Parquet file; times are nanoseconds. */
export async function readParquet(bytes: Uint8Array): Promise<Row[]> {
  return parquetReadObjects({
    file: new Uint8Array(bytes).buffer,
    utf8: false,
    // Its own dates have milliseconds only.
    parsers: { timestampFromNanoseconds: (time: bigint) => time },
  });
}

/** Checks that each event's fields are in its row: each name is a column's, as it is or with what tells it from others. */
export function checkRows(
  rows: readonly Row[],
  events: readonly EventRecord[],
  time: "time" | "time_ns",
): void {
  expect(rows).toHaveLength(events.length);
  events.forEach((event, at) => {
    const row = rows[at] ?? {};
    expect([text(row[time]), row["event"]]).toEqual([text(event.time), event.name]);
    const scopes = { packet: event.packetContext, stream: event.streamContext, context: event.context };
    for (const [scope, fields] of Object.entries({ ...scopes, fields: event.fields }))
      for (const [name, value] of leaves(fields ?? {}, "")) checkCell(row, scope, name, value);
  });
}

/** Fields with the names of structures before theirs. */
function leaves(fields: Fields, before: string): [string, FieldValue][] {
  return Object.entries(fields).flatMap(([name, value]): [string, FieldValue][] =>
    typeof value === "object" && !Array.isArray(value)
      ? [[`${before}${name}`, value], ...leaves(value, `${before}${name}.`)]
      : [[`${before}${name}`, value]],
  );
}

function checkCell(row: Row, scope: string, name: string, value: FieldValue): void {
  const pattern = new RegExp(`^(${scope}\\.)?${name.replaceAll(".", "\\.")}(:[a-z0-9-]+)?_*$`);
  const columns = Object.keys(row).filter((column) => pattern.test(column));
  // A structure is columns, and a variant's of one is JSON; lengths are in what they are of.
  if (columns.length === 0 && (typeof value === "object" || /(^|\.)_?n$|length/.test(name))) return;
  const cells = columns
    .map((column) => row[column])
    .filter((cell) => cell !== null && cell !== "" && cell !== undefined);
  const wanted = text(value);
  const same = cells.some((cell) => text(cell) === wanted || fromJson(cell) === wanted);
  if (same || (wanted === "" && cells.length === 0)) return;
  if (columns.length === 0 && name.includes(".")) return;
  throw new Error(`${scope}.${name} is ${wanted}; ${columns.join()} has ${cells.map(text).join()}`);
}

/** A value as text: the same for one number in all its forms. */
function text(value: unknown): string {
  if (value instanceof Uint8Array) return value.toHex();
  if (Array.isArray(value)) {
    const isBytes = value.every(
      (one) => Number.isInteger(Number(one)) && Number(one) >= 0 && Number(one) < 256,
    );
    return isBytes ? Uint8Array.from(value, Number).toHex() : JSON.stringify(value, jsonValue);
  }
  if (typeof value === "object" && value !== null) return JSON.stringify(value, jsonValue);
  return Object.is(value, -0) ? "0" : String(value);
}

function fromJson(cell: unknown): string | undefined {
  try {
    return text(JSON.parse(String(cell)));
  } catch {
    return undefined;
  }
}
