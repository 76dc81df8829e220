// OTLP, OpenTelemetry's protocol, as files of one signal each: JSON lines or protobuf. Called by commands/export.ts.
//
// Sources: the OpenTelemetry specification's "OTLP/JSON" encoding and "File Exporter" (JSON lines, one signal a file), which
// the Collector's otlpjsonfile receiver reads; opentelemetry-proto. No specification says how protobuf lies in a file: here
// it is one TracesData, LogsData or MetricsData, whose bytes are those of an Export...ServiceRequest as well, so that any
// OTLP/HTTP endpoint takes it as the body of a request.
import type { Loss, Stream } from "../ctf/stream.ts";
import type { Trace } from "../ctf/trace.ts";
import { lossName, streamName } from "../report/losses.ts";
import type { Span, SpanCursor, Thread } from "../spans/index.ts";
import { Counts } from "./counts.ts";
import { categoryOf } from "./fields.ts";
import { dataPoint, logRecord, lossRecord, resourceOf, type SpanIds, spanMessage } from "./otlp-messages.ts";
import { DATA, LEVELS, type Signal } from "./otlp-schema.ts";
import { Encoder, type Message } from "./protobuf.ts";
import type { Export, ExportSource, Outcome, SpanWriter } from "./source.ts";
import { type ProcessName, Who } from "./who.ts";

/** Spans, log records or data points of one part: a line, or what is put into memory at a time. */
const BATCH = 1000;

/** JSON lines of a signal. */
export function otlpJson(signal: Signal): Export {
  return (source) =>
    exportOtlp(source, signal, (message) => source.out.write(`${JSON.stringify(message)}\n`));
}

/** Protobuf of a signal; loads what encodes it. */
export async function loadOtlpProto(signal: Signal): Promise<Export> {
  const { PbfWriter } = await import("pbf");
  return (source) => {
    const encoder = new Encoder(new PbfWriter(new Uint8Array(64 * 1024)));
    return exportOtlp(source, signal, (message) =>
      source.out.putBytes(encoder.encode(DATA[signal], message)),
    );
  };
}

/**
 * Writes one signal of the trace. The resource is the process (`service.name` is the program), the scope the provider.
 *
 * - traces: the spans, status ERROR where they failed. A span that never ended ends with the trace and has the attribute
 *   `buntrace.end` = `unfinished`; one whose end was lost, where that shows, and `lost`.
 * - logs: the events that are no spans, with the severity of their level, and ends of spans whose begins are not in the
 *   trace; discarded events are warnings. They are not put into spans: an event does not say in which it happened, and of
 *   overlapping ones the time does not either. The thread and the time are there to look by.
 * - metrics: counters as gauges, for each thread.
 *
 * Ids are made of the trace, so that exporting again makes the same: a span's is its thread's number and its own in it,
 * 32 bits each; a trace's, of which each span without a parent begins one, 64 bits of a hash over the recording, the
 * thread and the span's begin, then that span's id.
 */
function exportOtlp(source: ExportSource, signal: Signal, write: (message: Message) => void): Outcome {
  return source.spans(new OtlpWriter(source, signal, write));
}

class OtlpWriter implements SpanWriter {
  readonly #source: ExportSource;
  readonly #signal: Signal;
  readonly #who = new Who();
  readonly #batch: Batch;
  readonly #traceIds = new WeakMap<Span, string>();
  readonly #counts = new Counts();
  readonly #leftOut = { spans: 0, events: 0, counters: 0, ends: 0 };

  constructor(source: ExportSource, signal: Signal, write: (message: Message) => void) {
    this.#source = source;
    this.#signal = signal;
    this.#batch = new Batch(signal, write);
  }

  take(cursor: SpanCursor): void {
    const { kind } = cursor;
    if (kind === "begin") this.#begin(cursor.span);
    else if (kind === "end" || kind === "end_lost" || kind === "running") this.#span(cursor);
    else if (kind === "losses") for (const loss of cursor.losses) this.#loss(loss, cursor.stream);
    else if (kind === "counter") this.#counter(cursor);
    else this.#event(cursor);
  }

  end(untimed: number): Outcome {
    this.#batch.flush();
    const { spans, events, counters, ends } = this.#leftOut;
    return this.#counts.outcome(untimed, {
      "span (they are in traces)": spans,
      "event (they are in logs)": events,
      "counter value (they are in metrics)": counters,
      "end without a begin (they are in logs)": ends,
    });
  }

  #begin(span: Span): void {
    const { parent, thread, id } = span;
    const around = parent === undefined ? undefined : this.#traceIds.get(parent);
    if (around !== undefined) {
      this.#traceIds.set(span, around);
      return;
    }
    const { uuid = "" } = thread.trace.traceClass;
    const spanId = this.#spanId(thread, id);
    const hash = Bun.hash.xxHash64(`${uuid} ${spanId} ${this.#source.beginOf(span)}`);
    this.#traceIds.set(span, hash.toString(16).padStart(16, "0") + spanId);
  }

  #span(cursor: SpanCursor): void {
    const { span, kind } = cursor;
    if (!this.#source.wants(span)) return;
    if (this.#signal !== "traces") {
      this.#leftOut.spans += 1;
      return;
    }
    if (kind === "running") this.#counts.unfinished += 1;
    else this.#counts.spans += 1;
    const { thread, id, parentId } = span;
    const ids: SpanIds = {
      traceId: this.#traceIds.get(span) ?? "",
      spanId: this.#spanId(thread, id),
      parentSpanId: parentId === 0 ? undefined : this.#spanId(thread, parentId),
    };
    const how = kind === "end" ? {} : { "buntrace.end": kind === "running" ? "unfinished" : "lost" };
    const [from, to] = [this.#source.beginOf(span), this.#source.timeOf(cursor)];
    const message = spanMessage(span, ids, this.#who.thread(thread), from, to, how);
    this.#batch.add(
      thread.trace,
      this.#who.process(thread.trace, thread.pid),
      categoryOf(span.name),
      message,
    );
  }

  #event(cursor: SpanCursor): void {
    const { kind, thread, record } = cursor;
    if (this.#signal !== "logs") {
      if (kind === "begin_lost") this.#leftOut.ends += 1;
      else this.#leftOut.events += 1;
      return;
    }
    this.#counts.events += 1;
    const message = logRecord(record, this.#who.thread(thread), this.#source.timeOf(cursor));
    this.#batch.add(
      thread.trace,
      this.#who.process(thread.trace, thread.pid),
      categoryOf(record.name),
      message,
    );
  }

  #loss(loss: Loss, stream: Stream): void {
    const { from, to, count } = loss;
    if (this.#signal !== "logs" || from === undefined || to === undefined) return;
    this.#counts.losses += 1;
    const fields = {
      stream: streamName(stream),
      count: count ?? "unknown",
      from_unix_nano: from,
      to_unix_nano: to,
    };
    const trace = this.#source.traceOf(stream);
    this.#batch.add(
      trace,
      this.#who.process(trace, undefined),
      "buntrace",
      lossRecord(lossName(loss), fields, to),
    );
  }

  #counter(cursor: SpanCursor): void {
    const { thread, record } = cursor;
    if (this.#signal !== "metrics") {
      this.#leftOut.counters += 1;
      return;
    }
    this.#counts.counters += 1;
    const value = record.fields?.["value"] ?? NaN;
    const point = dataPoint(value, this.#who.thread(thread), this.#source.timeOf(cursor));
    const process = this.#who.process(thread.trace, thread.pid);
    this.#batch.add(thread.trace, process, categoryOf(record.name), point, record.name);
  }

  #spanId(thread: Thread, id: number): string {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
    return hex(this.#who.thread(thread).tid) + hex(id);
  }
}

/** Messages of one scope; of metrics, by their names. */
interface ScopeItems {
  readonly items: Message[];
  readonly metrics: Map<string, Message[]>;
}

interface ResourceScopes {
  readonly resource: Message;
  readonly scopes: Map<string, ScopeItems>;
}

/** Collects messages under their resource and scope, and writes them when there are enough. */
class Batch {
  readonly #signal: Signal;
  readonly #write: (message: Message) => void;
  readonly #resources = new Map<Trace, Map<number, ResourceScopes>>();
  #count = 0;

  constructor(signal: Signal, write: (message: Message) => void) {
    this.#signal = signal;
    this.#write = write;
  }

  /** @param metric of a data point, the metric's name */
  add(trace: Trace, process: ProcessName, scope: string, message: Message, metric?: string): void {
    const processes = getOrMake(this.#resources, trace, () => new Map<number, ResourceScopes>());
    const { scopes } = getOrMake(processes, process.pid, () => ({
      resource: resourceOf(trace, process),
      scopes: new Map<string, ScopeItems>(),
    }));
    const { items, metrics } = getOrMake(scopes, scope, () => ({ items: [], metrics: new Map() }));
    if (metric === undefined) items.push(message);
    else getOrMake(metrics, metric, (): Message[] => []).push(message);
    this.#count += 1;
    if (this.#count >= BATCH) this.flush();
  }

  flush(): void {
    if (this.#count === 0) return;
    const { resources, scopes: scopesName, items: itemsName } = LEVELS[this.#signal];
    const all = [...this.#resources.values()].flatMap((processes) => [...processes.values()]);
    this.#write({
      [resources]: all.map(({ resource, scopes }) => ({
        resource,
        [scopesName]: [...scopes].map(([name, { items, metrics }]) => ({
          scope: { name },
          [itemsName]: [
            ...items,
            ...[...metrics].map(([metric, dataPoints]) => ({ name: metric, gauge: { dataPoints } })),
          ],
        })),
      })),
    });
    this.#resources.clear();
    this.#count = 0;
  }
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
