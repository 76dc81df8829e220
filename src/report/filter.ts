// Which events a command wants: the options --event, --thread, --since, --until and --where, and how to ask them of batches.
// Shared by all commands that read traces.
import { type Command, InvalidArgumentError, Option } from "commander";
import { type EventRecord, eventClassAt, eventRecord } from "../ctf/events.ts";
import { type Fields, type FieldValue, labelsOf } from "../ctf/objects.ts";
import type { EventBatch, TimeRange } from "../ctf/stream.ts";
import type { TraceSet } from "../ctf/trace.ts";
import type { EnumType, EventClass } from "../ctf/types.ts";
import type { Span } from "../spans/index.ts";
import { parseTime } from "./time-text.ts";
import { enumAt } from "./field-names.ts";
import { fieldsInWhere, Labelled, type Operand, type Predicate, parseWhere } from "./where.ts";

/** The filter options as the command line gives them. */
export interface FilterOptions {
  readonly event?: readonly string[];
  readonly thread?: readonly string[];
  readonly since?: string;
  readonly until?: string;
  readonly where?: string;
  readonly utc?: boolean;
}

/** Adds the filter options to a command. */
export function addFilterOptions(command: Command): Command {
  const list = (value: string, before: string[] = []): string[] => [...before, value];
  return command
    .addOption(
      new Option("-e, --event <glob>", "only events of this name, * and ? allowed; repeatable").argParser(
        list,
      ),
    )
    .addOption(
      new Option("-t, --thread <id|glob>", "only this thread, by number or name; repeatable").argParser(list),
    )
    .option(
      "--since <time>",
      "only from then on: hh:mm:ss, YYYY-MM-DD hh:mm:ss, seconds since 1970, or +1.5s after the begin",
    )
    .option("--until <time>", "only up to then")
    .option(
      "-w, --where <predicate>",
      "only events whose fields fit, as in 'status >= 500 && url ~ \"^/api\"'; of spans also duration > 1.5ms",
      once("Join them with &&."),
    );
}

/** The parser of an option that is given once, not the last one of several. @param advice what to do instead */
export function once(advice: string): (value: string, before?: string) => string {
  return (value, before) => {
    if (before !== undefined)
      throw new InvalidArgumentError(`It is given once, and was ${before}. ${advice}`);
    return value;
  };
}

/** Fields by which tracers tell the thread of an event. */
const THREAD_NUMBERS = ["tid", "vtid"];
const THREAD_NAMES = ["thread_name", "procname"];

/** Chooses events. */
export class EventFilter {
  /** The times asked for, to pass over packets by. */
  readonly range: TimeRange;
  /** The names of the fields that decide. */
  readonly fields: readonly string[];
  /** The names asked for; none for all. */
  readonly globs: readonly string[];
  readonly #names: readonly RegExp[];
  readonly #threads: readonly string[];
  readonly #threadNames: readonly RegExp[];
  readonly #where: Predicate | undefined;
  readonly #wanted = new Map<EventClass, boolean>();

  /** @throws UserError for an option that cannot be understood */
  constructor(options: FilterOptions, set: TraceSet) {
    const utc = options.utc === true;
    const time = (text: string | undefined, option: string): bigint | undefined =>
      text === undefined ? undefined : parseTime(text, set.base, utc, option);
    this.range = { since: time(options.since, "--since"), until: time(options.until, "--until") };
    this.globs = options.event ?? [];
    this.#names = this.globs.map(globPattern);
    this.#threads = options.thread ?? [];
    this.#threadNames = this.#threads.map(globPattern);
    this.fields = options.where === undefined ? [] : fieldsInWhere(options.where);
    this.#where = options.where === undefined ? undefined : parseWhere(options.where);
  }

  /** Whether every event passes. */
  get isEmpty(): boolean {
    const { since, until } = this.range;
    return (
      this.#names.length === 0 &&
      this.#threads.length === 0 &&
      this.#where === undefined &&
      since === undefined &&
      until === undefined
    );
  }

  /** Whether events of a class may pass. */
  wantsClass(event: EventClass): boolean {
    let wanted = this.#wanted.get(event);
    if (wanted === undefined) {
      wanted = this.wantsName(event.name);
      this.#wanted.set(event, wanted);
    }
    return wanted;
  }

  /** Whether events, or spans, of a name may pass. */
  wantsName(name: string): boolean {
    return this.#names.length === 0 || this.#names.some((pattern) => pattern.test(name));
  }

  /**
   * Whether a span passes: by its name, its thread, the time of its begin, and the fields of its events, those of its
   * end first, and its `duration` in nanoseconds.
   *
   * @param base of the span's times, nanoseconds since the Unix epoch
   */
  wantsSpan(span: Span, base: bigint): boolean {
    if (!this.mayWantSpan(span, base)) return false;
    return this.#where === undefined || this.#where((name) => operandOfSpan(span, name));
  }

  /** As {@link wantsSpan}, apart from fields: what is known of a span from its begin on. */
  mayWantSpan(span: Span, base: bigint): boolean {
    if (!this.wantsName(span.name)) return false;
    const { since, until } = this.range;
    if (since !== undefined || until !== undefined) {
      const time = base + BigInt(span.start || 0);
      if ((since !== undefined && time < since) || (until !== undefined && time > until)) return false;
    }
    if (this.#threads.length > 0) {
      const { tid, name } = span.thread;
      if (
        this.#isThread({
          ...(tid !== undefined && { tid }),
          ...(name !== undefined && { thread_name: name }),
        }) !== true
      )
        return false;
    }
    return true;
  }

  /** Whether events of a batch may pass: nothing when it must be asked for each. */
  wantsBatch({ packet }: EventBatch): boolean | undefined {
    if (this.#threads.length === 0) return true;
    return this.#isThread(packet.context);
  }

  /** Whether one event of a batch passes. */
  wants(batch: EventBatch, at: number): boolean {
    if (!this.wantsClass(eventClassAt(batch, at))) return false;
    const { since, until } = this.range;
    if (since !== undefined || until !== undefined) {
      const time = batch.base + BigInt(batch.times[at] || 0);
      if ((since !== undefined && time < since) || (until !== undefined && time > until)) return false;
    }
    const thread = this.wantsBatch(batch);
    if (thread === false) return false;
    if (thread === true && this.#where === undefined) return true;
    const record = eventRecord(batch, at);
    if (thread === undefined && this.#isThread(record.streamContext) !== true) return false;
    return this.#where === undefined || this.#where((name) => operandOf(record, name));
  }

  /** Nothing when the fields do not say a thread. */
  #isThread(context: Fields | undefined): boolean | undefined {
    if (context === undefined) return undefined;
    let said: boolean | undefined;
    for (const name of THREAD_NUMBERS) {
      const value = context[name];
      if (value === undefined) continue;
      said ??= false;
      if (this.#threads.includes(String(value))) return true;
    }
    for (const name of THREAD_NAMES) {
      const value = context[name];
      if (typeof value !== "string") continue;
      said ??= false;
      if (this.#threadNames.some((pattern) => pattern.test(value))) return true;
    }
    return said;
  }
}

/** A field of an event by its name: of its own fields first, then of its contexts. */
export function fieldOf(record: EventRecord, name: string): FieldValue | undefined {
  for (const scope of [record.fields, record.context, record.streamContext, record.packetContext]) {
    const value = memberAt(scope, name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** A field of a span by its name: of its end, then of its begin; or its duration in nanoseconds. */
export function fieldOfSpan(span: Span, name: string): FieldValue | undefined {
  const { beginRecord, endRecord } = span;
  const value = (endRecord && fieldOf(endRecord, name)) ?? (beginRecord && fieldOf(beginRecord, name));
  return value ?? (name === "duration" && span.state === "ended" ? span.duration : undefined);
}

/** As {@link fieldOf}, to be compared. */
function operandOf(record: EventRecord, name: string): Operand | undefined {
  const value = fieldOf(record, name);
  const type = typeof value === "string" ? enumAt(record.event, name) : undefined;
  return typeof value === "string" && type !== undefined ? labelled(value, type) : value;
}

/** As {@link fieldOfSpan}, to be compared. */
function operandOfSpan(span: Span, name: string): Operand | undefined {
  const { beginRecord, endRecord } = span;
  const value = (endRecord && operandOf(endRecord, name)) ?? (beginRecord && operandOf(beginRecord, name));
  return value ?? fieldOfSpan(span, name);
}

const labels = new WeakMap<EnumType, Map<string, Labelled>>();

/** A label of an enumeration, as it is compared. */
function labelled(label: string, type: EnumType): Labelled {
  let known = labels.get(type);
  if (known === undefined) labels.set(type, (known = new Map()));
  let value = known.get(label);
  if (value === undefined) known.set(label, (value = meaningOf(label, type)));
  return value;
}

/** All that a label says: what else its value is called, and its number. */
function meaningOf(label: string, type: EnumType): Labelled {
  const [range, second] = type.ranges.filter((one) => one.label === label);
  if (range === undefined || second !== undefined || range.first !== range.last)
    return new Labelled([label], undefined);
  const others = labelsOf(type, range.first).filter((one) => one !== label);
  return new Labelled([label, ...others], range.first);
}

function memberAt(fields: Fields | undefined, name: string): FieldValue | undefined {
  if (fields === undefined) return undefined;
  if (Object.hasOwn(fields, name)) return fields[name];
  let value: FieldValue | undefined = fields;
  for (const word of name.split(".")) {
    if (typeof value !== "object") return undefined;
    if (Array.isArray(value)) value = value[Number(word)];
    else value = Object.hasOwn(value, word) ? value[word] : undefined;
  }
  return value;
}

/** The regular expression of a glob: `*` and `?`. */
export function globPattern(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s");
}
