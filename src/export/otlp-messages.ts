// What a trace has, as messages of OTLP, in the form of its JSON: ids as hexadecimal text, 64-bit integers as decimal text.
// Used by otlp.ts.
import type { EventRecord } from "../ctf/events.ts";
import type { Fields, FieldValue } from "../ctf/objects.ts";
import type { Trace } from "../ctf/trace.ts";
import type { Span } from "../spans/index.ts";
import { argumentsOf, categoryOf, spanArguments } from "./fields.ts";
import { SPAN_KIND, STATUS_ERROR } from "./otlp-schema.ts";
import type { Message } from "./protobuf.ts";
import type { ProcessName, ThreadName } from "./who.ts";

/** A process as a resource, by OpenTelemetry's semantic conventions. */
export function resourceOf({ traceClass }: Trace, { pid, name }: ProcessName): Message {
  const { environment } = traceClass;
  const bun = environment.get("bun_version");
  const host = environment.get("hostname");
  const tracer = environment.get("tracer_name");
  return {
    attributes: attributesOf({
      "service.name": name,
      "process.pid": pid,
      ...(bun === undefined ? {} : { "process.runtime.name": "bun", "process.runtime.version": bun }),
      ...(host === undefined ? {} : { "host.name": host }),
      ...(tracer === undefined ? {} : { "telemetry.sdk.name": tracer }),
    }),
  };
}

/** Kinds of the spans of this tracer's own providers; all others are internal. */
const KINDS: Readonly<Record<string, number>> = {
  http_server: SPAN_KIND.server,
  http_client: SPAN_KIND.client,
  sqlite: SPAN_KIND.client,
};

/** Fields of the same spans that OpenTelemetry's semantic conventions have names for. */
const CONVENTIONS: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map(
  Object.entries({
    http_server: {
      method: "http.request.method",
      path: "url.path",
      route: "http.route",
      status: "http.response.status_code",
    },
    http_client: {
      method: "http.request.method",
      url: "url.full",
      status: "http.response.status_code",
    },
    sqlite: { sql: "db.query.text" },
  }).map(([provider, names]) => [provider, new Map(Object.entries(names))]),
);

/** A span's fields by those names; what is not known (a route, the status of what got none) is left out, as they ask. */
function namedFields(span: Span): Fields {
  const fields = spanArguments(span);
  const names = CONVENTIONS.get(categoryOf(span.name));
  if (names === undefined) return fields;
  const named: Fields = {};
  for (const [name, value] of Object.entries(fields)) {
    const convention = names.get(name);
    if (convention === undefined) named[name] = value;
    else if (value !== "(none)" && value !== 0) named[convention] = value;
  }
  return named;
}

/** Who a span is. */
export interface SpanIds {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
}

/**
 * @param start nanoseconds since the Unix epoch, as is `end`
 * @param how what to say of a span whose end is not in the trace
 */
export function spanMessage(
  span: Span,
  { traceId, spanId, parentSpanId }: SpanIds,
  thread: ThreadName,
  start: bigint,
  end: bigint,
  how: Fields,
): Message {
  return {
    traceId,
    spanId,
    parentSpanId,
    name: span.name,
    kind: KINDS[categoryOf(span.name)] ?? SPAN_KIND.internal,
    startTimeUnixNano: String(start),
    endTimeUnixNano: String(end),
    attributes: attributesOf({ ...threadFields(thread), ...namedFields(span), ...how }),
    status: span.failed ? { code: STATUS_ERROR } : {},
  };
}

/** Log levels of LTTng, 0 to 14, which ours are, as OTLP's numbers of severity. */
const SEVERITIES: readonly (readonly [number: number, text: string])[] = [
  [24, "EMERGENCY"],
  [22, "ALERT"],
  [21, "CRITICAL"],
  [17, "ERROR"],
  [13, "WARNING"],
  [10, "NOTICE"],
  [9, "INFO"],
];
const DEBUG: readonly [number, string] = [5, "DEBUG"];

/** An event of its own. Its name is the record's body too, since not all readers know names of events. */
export function logRecord(record: EventRecord, thread: ThreadName, time: bigint): Message {
  const { logLevel } = record.event;
  const [severityNumber, severityText] =
    logLevel === undefined ? [undefined, undefined] : (SEVERITIES[logLevel] ?? DEBUG);
  return {
    timeUnixNano: String(time),
    severityNumber,
    severityText,
    body: { stringValue: record.name },
    attributes: attributesOf({ ...threadFields(thread), ...argumentsOf(record) }),
    observedTimeUnixNano: String(time),
    eventName: record.name,
  };
}

/** Discarded events or lost packets. */
export function lossRecord(text: string, fields: Fields, time: bigint): Message {
  const [severityNumber, severityText] = [13, "WARNING"];
  return {
    timeUnixNano: String(time),
    severityNumber,
    severityText,
    body: { stringValue: text },
    attributes: attributesOf(fields),
    observedTimeUnixNano: String(time),
    eventName: "buntrace.loss",
  };
}

/** A counter's value. */
export function dataPoint(value: FieldValue, thread: ThreadName, time: bigint): Message {
  const number = Number(value);
  const attributes = attributesOf(threadFields(thread));
  const timeUnixNano = String(time);
  if (typeof value === "bigint" ? fitsInt64(value) : Number.isSafeInteger(number))
    return { timeUnixNano, asInt: String(value), attributes };
  return { timeUnixNano, asDouble: doubleValue(number), attributes };
}

function threadFields({ tid, name }: ThreadName): Fields {
  return { "thread.id": tid, "thread.name": name };
}

function attributesOf(fields: Fields): Message[] {
  return Object.entries(fields).map(([key, value]) => ({ key, value: anyValue(value) }));
}

/** Integers beyond 64 bits with a sign are decimal text: OTLP has no place for them. */
function anyValue(value: FieldValue): Message {
  switch (typeof value) {
    case "string":
      return { stringValue: value };
    case "boolean":
      return { boolValue: value };
    case "bigint":
      return fitsInt64(value) ? { intValue: String(value) } : { stringValue: String(value) };
    case "number":
      return Number.isSafeInteger(value) && !Object.is(value, -0)
        ? { intValue: String(value) }
        : { doubleValue: doubleValue(value) };
    default:
      return Array.isArray(value)
        ? { arrayValue: { values: value.map(anyValue) } }
        : { kvlistValue: { values: attributesOf(value) } };
  }
}

/** In the JSON of protobuf, what JSON has no number for is text. */
function doubleValue(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

function fitsInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}
