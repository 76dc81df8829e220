// CSV: a line an event, a column a field; RFC 4180 with lines that end in a line feed. Called by commands/export.ts.
import { eventRecord } from "../ctf/events.ts";
import { jsonValue } from "../report/json.ts";
import type { ExportSource, Outcome } from "./source.ts";
import { type Cell, Table } from "./table.ts";

/**
 * Writes the events as CSV, in the order of their times. The first line has the columns' names: see {@link Table}. A
 * field that the event does not have is empty, an empty string is `""`. Times are nanoseconds since the Unix epoch; all
 * integers are exact; NaN and infinities are `NaN`, `Infinity` and `-Infinity`; bytes are hexadecimal; arrays are JSON.
 */
export function exportCsv(source: ExportSource): Outcome {
  const { out } = source;
  const table = new Table(source, "time_ns");
  const row = table.columns.map(() => "");
  let event = 0;
  out.write(`${table.columns.map(({ name }) => quoted(name)).join(",")}\n`);
  source.events((batch, at) => {
    row.fill("");
    table.cells(eventRecord(batch, at), (column, cell) => {
      row[column] = cellText(cell);
    });
    out.write(`${row.join(",")}\n`);
    event += 1;
  });
  return { written: { event } };
}

/** There, and of no length. */
const EMPTY = '""';

function cellText(cell: Cell): string {
  if (typeof cell === "string") return cell === "" ? EMPTY : quoted(cell);
  if (cell instanceof Uint8Array) return cell.toHex() || EMPTY;
  if (typeof cell === "object") return quoted(JSON.stringify(cell, jsonValue));
  return String(cell);
}

/** In quotes where readers need them: they take leading or trailing spaces as they like, and a carriage return for an end. */
function quoted(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
