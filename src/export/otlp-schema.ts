// The messages of OTLP that otlp.ts writes, with the field names of OTLP's JSON and the official numbers.
//
// Source: open-telemetry/opentelemetry-proto, opentelemetry/proto/: common/v1/common.proto, resource/v1/resource.proto,
// trace/v1/trace.proto, logs/v1/logs.proto, metrics/v1/metrics.proto.
import type { Schema } from "./protobuf.ts";

const ANY_VALUE: Schema = {
  stringValue: [1, "string"],
  boolValue: [2, "bool"],
  intValue: [3, "int64"],
  doubleValue: [4, "double"],
  arrayValue: [5, () => ARRAY_VALUE],
  kvlistValue: [6, () => KEY_VALUE_LIST],
};
const ARRAY_VALUE: Schema = { values: [1, () => ANY_VALUE] };
const KEY_VALUE: Schema = { key: [1, "string"], value: [2, () => ANY_VALUE] };
const KEY_VALUE_LIST: Schema = { values: [1, () => KEY_VALUE] };

const RESOURCE: Schema = { attributes: [1, () => KEY_VALUE] };
const SCOPE: Schema = { name: [1, "string"] };

const STATUS: Schema = { code: [3, "uint64"] };
const SPAN: Schema = {
  traceId: [1, "hex"],
  spanId: [2, "hex"],
  parentSpanId: [4, "hex"],
  name: [5, "string"],
  kind: [6, "uint64"],
  startTimeUnixNano: [7, "fixed64"],
  endTimeUnixNano: [8, "fixed64"],
  attributes: [9, () => KEY_VALUE],
  status: [15, () => STATUS],
};

const LOG_RECORD: Schema = {
  timeUnixNano: [1, "fixed64"],
  severityNumber: [2, "uint64"],
  severityText: [3, "string"],
  body: [5, () => ANY_VALUE],
  attributes: [6, () => KEY_VALUE],
  observedTimeUnixNano: [11, "fixed64"],
  eventName: [12, "string"],
};

const NUMBER_DATA_POINT: Schema = {
  timeUnixNano: [3, "fixed64"],
  asDouble: [4, "double"],
  asInt: [6, "fixed64"],
  attributes: [7, () => KEY_VALUE],
};
const GAUGE: Schema = { dataPoints: [1, () => NUMBER_DATA_POINT] };
const METRIC: Schema = { name: [1, "string"], gauge: [5, () => GAUGE] };

/** The three levels that are alike in all signals: TracesData, LogsData, MetricsData and what they hold. */
function data(resources: string, scopes: string, items: string, item: Schema): Schema {
  const scoped: Schema = { scope: [1, () => SCOPE], [items]: [2, () => item] };
  const resourced: Schema = { resource: [1, () => RESOURCE], [scopes]: [2, () => scoped] };
  return { [resources]: [1, () => resourced] };
}

/** What a file can hold: one signal, as OTLP's files do. */
export type Signal = "traces" | "logs" | "metrics";

/** The names of a signal's levels. */
export const LEVELS: Readonly<Record<Signal, { resources: string; scopes: string; items: string }>> = {
  traces: { resources: "resourceSpans", scopes: "scopeSpans", items: "spans" },
  logs: { resources: "resourceLogs", scopes: "scopeLogs", items: "logRecords" },
  metrics: { resources: "resourceMetrics", scopes: "scopeMetrics", items: "metrics" },
};

/** The whole of each signal's data; several, one after the other, are one as well. */
export const DATA: Readonly<Record<Signal, Schema>> = {
  traces: data("resourceSpans", "scopeSpans", "spans", SPAN),
  logs: data("resourceLogs", "scopeLogs", "logRecords", LOG_RECORD),
  metrics: data("resourceMetrics", "scopeMetrics", "metrics", METRIC),
};

/** Span.SpanKind. */
export const SPAN_KIND = { internal: 1, server: 2, client: 3 } as const;

/** Status.StatusCode. */
export const STATUS_ERROR = 2;
