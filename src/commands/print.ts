// `buntrace print`: the events of traces as text, in the order of their times, or as JSON. Runs in the command's process.
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { eventRecord } from "../ctf/events.ts";
import type { FieldValue } from "../ctf/objects.ts";
import type { EventBatch, Loss, Stream } from "../ctf/stream.ts";
import { openTraces, type TraceSet } from "../ctf/trace.ts";
import { EventText } from "../report/event-text.ts";
import { addFilterOptions, EventFilter, type FilterOptions } from "../report/filter.ts";
import { jsonValue } from "../report/json.ts";
import { exitStatusOf, lossText, streamName } from "../report/losses.ts";
import { noMatchText } from "../report/no-match.ts";
import { Output, OutputClosed } from "../report/output.ts";
import { Progress } from "../report/progress.ts";
import { palette } from "../report/style.ts";
import { tellUnknownFields } from "../report/unknown-fields.ts";
import { epochText, type TimeFormat, wallText } from "../report/time-text.ts";

const TIME_KINDS: readonly TimeFormat["kind"][] = ["absolute", "epoch", "relative", "delta"];

interface PrintOptions extends FilterOptions {
  readonly time: TimeFormat["kind"];
  readonly date?: boolean;
  readonly utc?: boolean;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function printCommand(program: Command): void {
  const command = program
    .command("print")
    .description("print the events of traces, in the order of their times")
    .argument("[traces...]", "directories of traces", ["buntrace.data"])
    .option("--time <form>", `how to show times: ${TIME_KINDS.join(", ")}`, timeKind, "absolute")
    .option("--date", "show the date too")
    .option("--utc", "show and read times in UTC, not in the local zone")
    .option("--json", "print a JSON object a line");
  addFilterOptions(command).action((paths: string[], options: PrintOptions) => {
    process.exitCode = print(paths, options);
  });
}

/**
 * Prints traces to stdout; losses and damage go to stderr.
 *
 * @returns the exit status
 * @throws UserError for a trace that cannot be read, or an option that makes no sense
 */
export function print(paths: readonly string[], options: PrintOptions): number {
  const set = openTraces(paths);
  const filter = new EventFilter(options, set);
  tellUnknownFields(filter.fields, {
    sets: [set],
    chosen: "events",
    wants: (name) => filter.wantsName(name),
  });
  const out = new Output(1);
  const printer = options.json === true ? new JsonPrinter(out) : new TextPrinter(set, out, options);
  const progress = new Progress(set, false);
  let problems = 0;
  let isAny = false;
  const tellProblems = (): void => {
    if (set.problems.length === problems) return;
    progress.end();
    for (; problems < set.problems.length; problems += 1) warn(set.problems[problems]?.message ?? "");
  };
  try {
    let last: EventBatch["packet"] | undefined;
    const runs = set.merger(filter.range);
    while (runs.next()) {
      const { batch, from, to } = runs;
      if (batch.packet !== last) {
        last = batch.packet;
        progress.at(batch);
        tellProblems();
      }
      for (const loss of batch.losses) printer.loss(loss, batch.stream);
      printer.begin(batch);
      if (filter.isEmpty) for (let at = from; at < to; at += 1) printer.event(batch, at);
      else
        for (let at = from; at < to; at += 1) {
          if (!filter.wants(batch, at)) continue;
          isAny = true;
          printer.event(batch, at);
        }
    }
    out.flush();
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
    return 0;
  } finally {
    progress.end();
    set.close();
  }
  tellProblems();
  if (!isAny && !filter.isEmpty) process.stderr.write(`buntrace: ${noMatchText(filter, set, "events")}\n`);
  return exitStatusOf(set.problems);
}

interface Printer {
  begin(batch: EventBatch): void;
  event(batch: EventBatch, at: number): void;
  loss(loss: Loss, stream: Stream): void;
}

class TextPrinter implements Printer {
  readonly #text: EventText;
  readonly #out: Output;
  readonly #options: PrintOptions;

  constructor(set: TraceSet, out: Output, options: PrintOptions) {
    const { time: kind, date = false, utc = false } = options;
    this.#text = new EventText(set, out, { kind, date, utc }, palette(process.stdout));
    this.#out = out;
    this.#options = options;
  }

  begin(batch: EventBatch): void {
    this.#text.begin(batch);
  }

  event(batch: EventBatch, at: number): void {
    this.#text.write(batch, at);
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

function timeKind(value: string): TimeFormat["kind"] {
  const kind = TIME_KINDS.find((one) => one === value);
  if (kind === undefined) throw new InvalidArgumentError(`It is one of ${TIME_KINDS.join(", ")}.`);
  return kind;
}

function warn(message: string): void {
  const { warning } = palette(process.stderr);
  process.stderr.write(`${warning.open}warning: ${message}${warning.close}\n`);
}
