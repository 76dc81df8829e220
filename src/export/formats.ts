// The formats that `buntrace export` writes, by name. The module of a format, and what it needs, is loaded when it is asked
// for. Called by commands/export.ts.
import type { Signal } from "./otlp-schema.ts";
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

const SIGNALS: readonly Signal[] = ["traces", "logs", "metrics"];

/** OpenTelemetry's files hold one signal each: spans, events, or counters. */
const OTLP: readonly Format[] = SIGNALS.flatMap((signal) => {
  const suffix = signal === "traces" ? "" : `-${signal}`;
  const what = { traces: "spans", logs: "events", metrics: "counters" }[signal];
  return [
    {
      name: `otlp-json${suffix}`,
      summary: `${what}, JSON lines: OpenTelemetry Collector (otlpjsonfile)`,
      binary: false,
      load: async () => (await import("./otlp.ts")).otlpJson(signal),
    },
    {
      name: `otlp-proto${suffix}`,
      summary: `${what}, protobuf: any OTLP/HTTP endpoint`,
      binary: true,
      load: async () => (await import("./otlp.ts")).loadOtlpProto(signal),
    },
  ];
});

export const FORMATS: readonly Format[] = [
  {
    name: "perfetto",
    summary: "ui.perfetto.dev, trace_processor",
    binary: true,
    load: async () => (await import("./perfetto.ts")).loadPerfetto(),
  },
  {
    name: "chrome",
    summary: "Trace Event Format: chrome://tracing and others",
    binary: false,
    load: async () => (await import("./chrome.ts")).exportChrome,
  },
  {
    name: "speedscope",
    summary: "flame graphs of the spans: speedscope.app",
    binary: false,
    load: async () => (await import("./speedscope.ts")).exportSpeedscope,
  },
  {
    name: "csv",
    summary: "a row an event: spreadsheets, databases, scripts",
    binary: false,
    load: async () => (await import("./csv.ts")).exportCsv,
  },
  {
    name: "parquet",
    summary: "the same, compressed: DuckDB, pandas, Spark",
    binary: true,
    load: async () => (await import("./parquet.ts")).loadParquet(),
  },
  ...OTLP,
];
