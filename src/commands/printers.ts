// How `buntrace print` writes an event, and what is lost between events: as text or as JSON. Called by print.ts and print-live.ts.
import { eventRecord } from "../ctf/events.ts";
import type { FieldValue } from "../ctf/objects.ts";
import type { EventBatch, Loss, Stream } from "../ctf/stream.ts";
import type { TraceSet } from "../ctf/trace.ts";
import { EventText } from "../report/event-text.ts";
import type { EventFilter } from "../report/filter.ts";
import { jsonValue } from "../report/json.ts";
import { lossText, streamName } from "../report/losses.ts";
import type { Output } from "../report/output.ts";
import { palette } from "../report/style.ts";
import { epochText, type TimeFormat, wallText } from "../report/time-text.ts";

/** How events are shown. */
export interface PrinterOptions {
  readonly time: TimeFormat["kind"];
  readonly date?: boolean;
  readonly utc?: boolean;
  readonly json?: boolean;
}

/** Writes events. */
export interface Printer {
  /** Comes before all else, with the traces that batches are of; again where they are opened again. */
  open(set: TraceSet): void;
  /** Comes before the events of each batch. */
  begin(batch: EventBatch): void;
  event(batch: EventBatch, at: number): void;
  loss(loss: Loss, stream: Stream): void;
}

/** The printer that the options ask for. */
export function printerOf(options: PrinterOptions, out: Output): Printer {
  return options.json === true ? new JsonPrinter(out) : new TextPrinter(out, options);
}

/** Prints the events `from` to before `to` of a batch that pass the filter. @returns whether one did */
export function printRun(
  printer: Printer,
  filter: EventFilter,
  batch: EventBatch,
  from: number,
  to: number,
): boolean {
  printer.begin(batch);
  if (filter.isEmpty) {
    for (let at = from; at < to; at += 1) printer.event(batch, at);
    return to > from;
  }
  let isAny = false;
  for (let at = from; at < to; at += 1) {
    if (!filter.wants(batch, at)) continue;
    isAny = true;
    printer.event(batch, at);
  }
  return isAny;
}

class TextPrinter implements Printer {
  readonly #out: Output;
  readonly #options: PrinterOptions;
  #text: EventText | undefined;

  constructor(out: Output, options: PrinterOptions) {
    this.#out = out;
    this.#options = options;
  }

  open(set: TraceSet): void {
    const { time: kind, date = false, utc = false } = this.#options;
    this.#text = new EventText(set, this.#out, { kind, date, utc }, palette(process.stdout), this.#text);
  }

  begin(batch: EventBatch): void {
    this.#text?.begin(batch);
  }

  event(batch: EventBatch, at: number): void {
    this.#text?.write(batch, at);
  }

  loss(loss: Loss, stream: Stream): void {
    // On a terminal, the warning stands between the events it belongs to.
    this.#out.flush();
    const { date = false, utc = false } = this.#options;
    warn(lossText(loss, stream, (time) => wallText(time, date, utc)));
  }
}

class JsonPrinter implements Printer {
  readonly #out: Output;

  constructor(out: Output) {
    this.#out = out;
  }

  open(_set: TraceSet): void {}

  begin(_batch: EventBatch): void {}

  event(batch: EventBatch, at: number): void {
    const { time, name, packetContext, streamContext, context, fields } = eventRecord(batch, at);
    this.#line({
      time: time === undefined ? undefined : epochText(time),
      name,
      packet: packetContext,
      stream: streamContext,
      context,
      fields,
    });
  }

  loss({ kind, count, from, to }: Loss, stream: Stream): void {
    this.#line({
      [kind === "events" ? "discarded_events" : "lost_packets"]: count ?? null,
      from: from === undefined ? undefined : epochText(from),
      to: to === undefined ? undefined : epochText(to),
      stream_file: streamName(stream),
    });
  }

  #line(value: Readonly<Record<string, FieldValue | null | undefined>>): void {
    this.#out.write(`${JSON.stringify(value, jsonValue)}\n`);
  }
}

/** A warning on stderr. */
export function warn(message: string): void {
  const { warning } = palette(process.stderr);
  process.stderr.write(`${warning.open}warning: ${message}${warning.close}\n`);
}
