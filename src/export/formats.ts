// The formats that `buntrace export` writes, by name. The module of a format, and what it needs, is loaded when it is asked
// for. Called by commands/export.ts.
import type { Export } from "./source.ts";

/** A format. */
export interface Format {
  readonly name: string;
  /** What reads it. */
  readonly summary: string;
  /** Whether a terminal could not show it. */
  readonly binary: boolean;
  load(): Promise<Export>;
}

export const FORMATS: readonly Format[] = [
  {
    name: "csv",
    summary: "a line an event, a column a field: spreadsheets, databases, scripts",
    binary: false,
    load: async () => (await import("./csv.ts")).exportCsv,
  },
  {
    name: "parquet",
    summary: "the same table, compressed: DuckDB, pandas, Spark",
    binary: true,
    load: async () => (await import("./parquet.ts")).loadParquet(),
  },
];
