/**
 * Reads OTLP files: protobuf by the decoder that OpenTelemetry's own package carries
 * (generated from the official protos), JSON lines by the rules of OTLP/JSON; both in
 * one form. Runs in the test process.
 */
import root from "@opentelemetry/otlp-transformer/build/src/generated/root.js";

/** A message class of the decoder; the package declares no types for them. */
interface MessageClass {
  decode(bytes: Uint8Array): object;
  encode(message: object): { finish(): Uint8Array };
  toObject(message: object, options: object): unknown;
}

type Package = Readonly<Record<string, unknown>>;

/** The class of this name in the decoder. */
function messageClass(path: string): MessageClass {
  const found = path.split(".").reduce<unknown>((inside, name) => (inside as Package)[name], root);
  return found as MessageClass;
}

export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code?: number };
}

export interface OtlpLog {
  readonly timeUnixNano: string;
  readonly severityNumber?: number;
  readonly severityText?: string;
  readonly body: AnyValue;
  readonly attributes: readonly Attribute[];
  readonly eventName: string;
}

export interface OtlpPoint {
  readonly timeUnixNano: string;
  readonly asInt?: string;
  readonly asDouble?: number | string;
  readonly attributes: readonly Attribute[];
}

interface Attribute {
  readonly key: string;
  readonly value: AnyValue;
}

interface AnyValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string;
  readonly doubleValue?: number | string;
  readonly arrayValue?: { readonly values?: readonly AnyValue[] };
  readonly kvlistValue?: { readonly values?: readonly Attribute[] };
}

/** What all levels of a signal are called. */
const LEVELS = {
  traces: ["resourceSpans", "scopeSpans", "spans", "TracesData"],
  logs: ["resourceLogs", "scopeLogs", "logRecords", "LogsData"],
  metrics: ["resourceMetrics", "scopeMetrics", "metrics", "MetricsData"],
} as const;

type Signal = keyof typeof LEVELS;

/** An item with the resource and scope it is of. */
export interface Found<T> {
  readonly item: T;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly scope: string;
}

type Tree = Readonly<Record<string, unknown>>;

/** Spans, log records or metrics of a protobuf file. @throws Error when it cannot be decoded, or has unknown fields */
export function readProto<T>(signal: Signal, bytes: Uint8Array): Found<T>[] {
  const type = messageClass(
    `opentelemetry.proto.${signal === "traces" ? "trace" : signal}.v1.${LEVELS[signal][3]}`,
  );
  // What any OTLP/HTTP endpoint takes.
  const service = signal === "traces" ? "Trace" : signal === "logs" ? "Logs" : "Metrics";
  const request = messageClass(
    `opentelemetry.proto.collector.${service.toLowerCase()}.v1.Export${service}ServiceRequest`,
  );
  if (request.encode(request.decode(bytes)).finish().length !== bytes.length)
    throw new Error("it is no request");
  const decoded = type.decode(bytes);
  // Fields that the decoder does not know are dropped.
  const rest = type.encode(decoded).finish().length;
  if (rest !== bytes.length) throw new Error(`${bytes.length - rest} bytes are of no known field`);
  const tree = type.toObject(decoded, { longs: String, bytes: String, json: true }) as Tree;
  return flatten(signal, hexIds(tree) as Tree);
}

/** Those of JSON lines. @throws Error when a line has what OTLP/JSON does not */
export function readJson<T>(signal: Signal, bytes: Uint8Array): Found<T>[] {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
  return lines.flatMap((line) => {
    const tree = JSON.parse(line) as Tree;
    const [resources] = LEVELS[signal];
    if (Object.keys(tree).join() !== resources) throw new Error(`a line of ${Object.keys(tree).join()}`);
    return flatten<T>(signal, tree);
  });
}

/** In protobuf's JSON bytes are base64; in OTLP's, ids are hexadecimal. */
function hexIds(value: unknown, key = ""): unknown {
  if (/^(traceId|spanId|parentSpanId)$/.test(key))
    return Buffer.from(String(value), "base64").toString("hex");
  if (Array.isArray(value)) return value.map((one) => hexIds(one));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, hexIds(inner, name)]));
}

function flatten<T>(signal: Signal, tree: Tree): Found<T>[] {
  const [resources, scopes, items] = LEVELS[signal];
  return list(tree[resources]).flatMap((one) => {
    const resource = one["resource"] as { attributes: Attribute[] };
    return list(one[scopes]).flatMap((scoped) =>
      list(scoped[items]).map((item) => ({
        item: item as unknown as T,
        resource: attributesOf(resource.attributes),
        scope: (scoped["scope"] as { name: string }).name,
      })),
    );
  });
}

function list(value: unknown): Tree[] {
  return (value ?? []) as Tree[];
}

/** Attributes as plain values; integers are bigints. */
export function attributesOf(attributes: readonly Attribute[] | undefined): Record<string, unknown> {
  return Object.fromEntries((attributes ?? []).map(({ key, value }) => [key, plain(value)]));
}

function plain(value: AnyValue): unknown {
  const keys = Object.keys(value);
  if (keys.length !== 1) throw new Error(`a value with ${keys.join()}`);
  if (value.intValue !== undefined) {
    if (typeof value.intValue !== "string") throw new Error("an integer that is no text");
    return BigInt(value.intValue);
  }
  if (value.doubleValue !== undefined) return Number(value.doubleValue);
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(plain);
  if (value.kvlistValue !== undefined) return attributesOf(value.kvlistValue.values);
  return value.stringValue ?? value.boolValue;
}
