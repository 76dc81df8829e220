// Apache Parquet: a row an event, a column a field, compressed with snappy. The file is written by hyparquet-writer, which
// is loaded when the format is asked for. Called by commands/export.ts.
import type { ByteWriter as ByteWriterClass, ColumnSource, SchemaElement } from "hyparquet-writer";
import { eventRecord } from "../ctf/events.ts";
import type { Output } from "../report/output.ts";
import type { Export, ExportSource, Outcome } from "./source.ts";
import { type Cell, Table, type TableColumn } from "./table.ts";

/** Rows kept before they are written. Readers skip, and share out, whole groups; memory is this many rows. */
const GROUP_ROWS = 32_768;

type Library = typeof import("hyparquet-writer");

/** Loads the library. */
export async function loadParquet(): Promise<Export> {
  const library = await import("hyparquet-writer");
  return (source) => exportParquet(source, library);
}

/**
 * Writes the events in the order of their times; columns as in {@link Table}, all of them optional. `time` is a timestamp
 * in nanoseconds, UTC. Integers are INT32, INT64 or UINT_64, floats DOUBLE, texts UTF8, bytes BYTE_ARRAY, arrays of
 * numbers LIST, and other arrays and variants JSON as text. Nothing is rounded.
 */
function exportParquet(source: ExportSource, { ByteWriter, ParquetWriter }: Library): Outcome {
  // A timestamp says its unit itself.
  const table = new Table(source, TIME.name);
  const { columns } = table;
  const writer = new ParquetWriter({
    writer: outputWriter(ByteWriter, source.out),
    schema: [
      { name: "events", num_children: columns.length },
      ...columns.flatMap((column, at) => (at === 0 ? TIME : schemaOf(column))),
    ],
    createdBy: "buntrace",
  });
  let cells: Cell[][] = columns.map(() => []);
  let rows = 0;
  let event = 0;
  const writeGroup = (): void => {
    const columnData = columns.map(({ name, kind }, at): ColumnSource => {
      const data = cells[at] ?? [];
      // The rows after the column's last cell.
      data.length = rows;
      // The library orders unsigned 64 bits as signed ones, and readers skip groups by that order.
      return { name, data: Array.from(data), statistics: !kind.endsWith("u64") };
    });
    void writer.write({ columnData, rowGroupSize: rows });
    cells = columns.map(() => []);
    rows = 0;
  };
  source.events((batch, at) => {
    table.cells(eventRecord(batch, at), (column, cell) => {
      const data = cells[column];
      if (data !== undefined) data[rows] = cell;
    });
    rows += 1;
    event += 1;
    if (rows === GROUP_ROWS) writeGroup();
  });
  if (rows > 0) writeGroup();
  void writer.finish();
  return { written: { event } };
}

/** The library's writer, which leaves its bytes with the output between groups. */
function outputWriter(ByteWriter: Library["ByteWriter"], out: Output): ByteWriterClass {
  const writer = new ByteWriter();
  const drain = (): void => {
    out.putBytes(writer.getBytes());
    writer.index = 0;
  };
  return Object.assign(writer, { flush: drain, finish: drain });
}

const OPTIONAL = { repetition_type: "OPTIONAL" } as const;
const UTF8 = { type: "BYTE_ARRAY", converted_type: "UTF8" } as const;
const INT64 = { type: "INT64" } as const;
const UINT64 = { type: "INT64", converted_type: "UINT_64" } as const;
const DOUBLE = { type: "DOUBLE" } as const;

const TIME: SchemaElement = {
  name: "time",
  type: "INT64",
  logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "NANOS" },
  ...OPTIONAL,
};

function schemaOf({ name, kind }: TableColumn): SchemaElement[] {
  switch (kind) {
    case "i32":
      return [{ name, type: "INT32", ...OPTIONAL }];
    case "i64":
      return [{ name, ...INT64, ...OPTIONAL }];
    case "u64":
      return [{ name, ...UINT64, ...OPTIONAL }];
    case "f64":
      return [{ name, ...DOUBLE, ...OPTIONAL }];
    case "bool":
      return [{ name, type: "BOOLEAN", ...OPTIONAL }];
    case "text":
    case "json":
      return [{ name, ...UTF8, ...OPTIONAL }];
    case "bytes":
      return [{ name, type: "BYTE_ARRAY", ...OPTIONAL }];
    case "list i64":
      return listOf(name, INT64);
    case "list u64":
      return listOf(name, UINT64);
    case "list f64":
      return listOf(name, DOUBLE);
  }
}

/** The three levels of a list, as the Parquet format's LogicalTypes.md has them. */
function listOf(name: string, element: Omit<SchemaElement, "name">): SchemaElement[] {
  return [
    { name, num_children: 1, converted_type: "LIST", ...OPTIONAL },
    { name: "list", num_children: 1, repetition_type: "REPEATED" },
    { name: "element", ...element, repetition_type: "REQUIRED" },
  ];
}
