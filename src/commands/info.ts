// `buntrace info`: what a trace is, its clock, threads, event types with counts, size and losses, as text or JSON. Reads the
// whole trace once, without its fields. Runs in the command's process.
import type { Command } from "commander";
import { completeUntil, killedBy } from "../ctf/trace-end.ts";
import type { Fields } from "../ctf/objects.ts";
import type { Stream } from "../ctf/stream.ts";
import { openTraces, type Trace, type TraceSet } from "../ctf/trace.ts";
import type { Clock, EventClass } from "../ctf/types.ts";
import { jsonValue } from "../report/json.ts";
import { exitStatusOf, streamName } from "../report/losses.ts";
import { Output, OutputClosed } from "../report/output.ts";
import { Progress } from "../report/progress.ts";
import { palette } from "../report/style.ts";
import { countText, durationText, many } from "../report/number-text.ts";
import { printable, tableLines } from "../report/table.ts";
import { epochText, wallText } from "../report/time-text.ts";

interface InfoOptions {
  readonly json?: boolean;
  readonly utc?: boolean;
}

/** What is known of one stream after reading it. */
interface StreamInfo {
  readonly name: string;
  readonly classId: bigint;
  readonly instance: bigint | undefined;
  /** The packets' context: in our traces, the thread. */
  readonly context: Fields | undefined;
  bytes: number;
  packets: number;
  events: number;
  /** As far as they were counted. */
  discarded: bigint;
  /** Whether more were lost than were counted. */
  uncounted: boolean;
  lostPackets: bigint;
  first: bigint | undefined;
  last: bigint | undefined;
}

interface EventInfo {
  readonly event: EventClass;
  count: number;
}

interface TraceInfo {
  readonly trace: Trace;
  readonly streams: readonly StreamInfo[];
  /** Types that occur, the most frequent first; then, how many were declared only. */
  readonly events: readonly EventInfo[];
  readonly unused: number;
}

/** Adds the command to the program. */
export function infoCommand(program: Command): void {
  program
    .command("info")
    .description("tell what traces are: clock, threads, event types, size, losses")
    .argument("[traces...]", "directories of traces", ["buntrace.data"])
    .option("--utc", "show times in UTC, not in the local zone")
    .option("--json", "print a JSON object for each trace, one a line")
    .action((paths: string[], options: InfoOptions) => {
      process.exitCode = info(paths, options);
    });
}

/**
 * Prints what is known of traces to stdout; damage goes to stderr.
 *
 * @returns the exit status
 * @throws UserError for a trace that cannot be read
 */
export function info(paths: readonly string[], options: InfoOptions): number {
  const set = openTraces(paths);
  const progress = new Progress(set, true);
  const out = new Output(1);
  try {
    for (const trace of set.traces) {
      const gathered = gather(set, trace, progress);
      out.write(
        options.json === true
          ? `${JSON.stringify(jsonOf(gathered), jsonValue)}\n`
          : textOf(gathered, options),
      );
    }
    out.flush();
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  } finally {
    progress.end();
    set.close();
  }
  const { warning } = palette(process.stderr);
  for (const { message } of set.problems) {
    process.stderr.write(`${warning.open}warning: ${message}${warning.close}\n`);
  }
  return exitStatusOf(set.problems);
}

function gather(set: TraceSet, trace: Trace, progress: Progress): TraceInfo {
  const counts = new Map<EventClass, number>();
  const streams = trace.streams.map((stream) => gatherStream(set, stream, counts, progress));
  const classes = trace.traceClass.streamClasses.flatMap(({ events }) => events);
  const events = classes
    .map((event) => ({ event, count: counts.get(event) ?? 0 }))
    .filter(({ count }) => count > 0)
    .sort((one, other) => other.count - one.count);
  return { trace, streams, events, unused: classes.length - events.length };
}

function gatherStream(
  set: TraceSet,
  stream: Stream,
  counts: Map<EventClass, number>,
  progress: Progress,
): StreamInfo {
  const { events } = stream.streamClass;
  const perClass = new Float64Array(events.length);
  const found: StreamInfo = {
    name: streamName(stream),
    classId: stream.streamClass.id,
    instance: stream.instance,
    context: stream.firstPackets[0]?.context,
    bytes: 0,
    packets: 0,
    events: 0,
    discarded: 0n,
    uncounted: false,
    lostPackets: 0n,
    first: undefined,
    last: undefined,
  };
  for (const { size } of set.packets(stream)) {
    found.bytes += size;
    found.packets += 1;
  }
  for (const batch of set.batches(stream)) {
    progress.at(batch);
    for (const { kind, count } of batch.losses) {
      if (kind === "packets") found.lostPackets += count ?? 0n;
      else if (count === undefined) found.uncounted = true;
      else found.discarded += count;
    }
    const { length, classes, times, base } = batch;
    if (length === 0) continue;
    found.events += length;
    for (let at = 0; at < length; at += 1) {
      const index = classes[at] ?? 0;
      perClass[index] = (perClass[index] ?? 0) + 1;
    }
    const [first, last] = [times[0] ?? NaN, times[length - 1] ?? NaN];
    if (Number.isNaN(first)) continue;
    found.first ??= base + BigInt(first);
    found.last = base + BigInt(last);
  }
  for (const event of events) counts.set(event, (counts.get(event) ?? 0) + (perClass[event.index] ?? 0));
  return found;
}

function textOf({ trace, streams, events, unused }: TraceInfo, { utc = false }: InfoOptions): string {
  const { traceClass, path } = trace;
  const lines: string[] = [];
  const line = (name: string, value: string): number =>
    lines.push(`${`${name}:`.padEnd(12)}${printable(value)}`);
  const [first, last] = rangeOf(streams);
  const total = streams.reduce((sum, stream) => sum + stream.events, 0);
  line("trace", path);
  if (traceClass.uuid !== undefined) line("uuid", traceClass.uuid);
  const environment = [...traceClass.environment]
    .filter(([name]) => name !== "complete_until" && name !== "killed_by")
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
  if (environment !== "") line("from", environment);
  for (const clock of traceClass.clocks) line("clock", clockText(clock, utc));
  if (first !== undefined && last !== undefined) {
    line("begin", wallText(first, true, utc));
    line("end", `${wallText(last, true, utc)} (${durationText(Number(last - first))} later)`);
    const until = completeUntil(traceClass);
    if (until !== undefined && until > last)
      line("complete", `until ${durationText(Number(until - last))} after the last event`);
  }
  const signal = killedBy(traceClass);
  if (signal !== undefined) line("killed", `by ${signal}`);
  const seconds = first === undefined || last === undefined ? 0 : Number(last - first) / 1e9;
  line(
    "events",
    `${countText(total)}${seconds > 0 ? `, ${countText(Math.round(total / seconds))} a second` : ""}`,
  );
  line(
    "size",
    `${countText(streams.reduce((sum, { bytes }) => sum + bytes, 0))} bytes in ${many(streams.length, "stream")}`,
  );
  line("lost", lostText(streams));
  lines.push(
    "",
    ...tableLines(
      [
        { head: "stream" },
        { head: "thread" },
        ...["events", "packets", "bytes", "discarded", "lost packets"].map((head) => ({ head, right: true })),
      ],
      streams.map((stream) => [
        stream.name,
        threadText(stream.context),
        countText(stream.events),
        countText(stream.packets),
        countText(stream.bytes),
        stream.uncounted ? "unknown" : countText(stream.discarded),
        countText(stream.lostPackets),
      ]),
    ),
  );
  lines.push(
    "",
    ...tableLines(
      [{ head: "event" }, { head: "count", right: true }, { head: "fields" }],
      events.map(({ event, count }) => [event.name, countText(count), fieldsText(event)]),
    ),
  );
  if (unused > 0) lines.push(`${unused} more event types are declared and do not occur`);
  return `${lines.join("\n")}\n\n`;
}

function jsonOf({ trace, streams, events, unused }: TraceInfo): Readonly<Record<string, unknown>> {
  const { traceClass, path } = trace;
  const [first, last] = rangeOf(streams);
  return {
    path,
    uuid: traceClass.uuid,
    environment: Object.fromEntries(traceClass.environment),
    clocks: traceClass.clocks.map(
      ({ name, frequency, offsetSeconds, offsetCycles, absolute, description }) => ({
        name,
        description,
        frequency,
        offset_s: offsetSeconds,
        offset: offsetCycles,
        absolute,
      }),
    ),
    begin: first === undefined ? undefined : epochText(first),
    end: last === undefined ? undefined : epochText(last),
    killed_by: killedBy(traceClass),
    events: streams.reduce((sum, stream) => sum + stream.events, 0),
    streams: streams.map(({ name, classId, instance, context, ...counts }) => ({
      name,
      class: classId,
      instance,
      context,
      events: counts.events,
      packets: counts.packets,
      bytes: counts.bytes,
      discarded_events: counts.uncounted ? null : counts.discarded,
      lost_packets: counts.lostPackets,
    })),
    event_types: events.map(({ event, count }) => ({
      name: event.name,
      id: event.id,
      log_level: event.logLevel,
      count,
      fields: event.fields?.members.filter(({ hidden }) => !hidden).map(({ name }) => name) ?? [],
    })),
    unused_event_types: unused,
  };
}

function rangeOf(streams: readonly StreamInfo[]): [bigint | undefined, bigint | undefined] {
  let first: bigint | undefined;
  let last: bigint | undefined;
  for (const stream of streams) {
    if (stream.first !== undefined && (first === undefined || stream.first < first)) first = stream.first;
    if (stream.last !== undefined && (last === undefined || stream.last > last)) last = stream.last;
  }
  return [first, last];
}

function lostText(streams: readonly StreamInfo[]): string {
  const known = streams.reduce((sum, { discarded }) => sum + discarded, 0n);
  const packets = streams.reduce((sum, { lostPackets }) => sum + lostPackets, 0n);
  const unknown = streams.some(({ uncounted }) => uncounted);
  if (known === 0n && packets === 0n && !unknown) return "nothing";
  const parts = [`${countText(known)} events discarded`];
  if (unknown) parts.push("and some that were not counted");
  if (packets > 0n) parts.push(`${countText(packets)} packets`);
  return parts.join(", ");
}

function clockText(
  { name, frequency, description, offsetSeconds, offsetCycles }: Clock,
  utc: boolean,
): string {
  const zero = offsetSeconds * 1_000_000_000n + (offsetCycles * 1_000_000_000n) / frequency;
  const what = description === undefined ? "" : ` (${description})`;
  return `${name}${what}, ${countText(frequency)} Hz, zero at ${wallText(zero, true, utc)}`;
}

function threadText(context: Fields | undefined): string {
  if (context === undefined) return "";
  const { tid, thread_name: name, ...rest } = context;
  if (tid !== undefined || name !== undefined)
    return [tid, name].filter((part) => part !== undefined).join(" ");
  return Object.entries(rest)
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(" ");
}

function fieldsText({ fields }: EventClass): string {
  return (fields?.members ?? [])
    .filter(({ hidden }) => !hidden)
    .map(({ name }) => name)
    .join(", ");
}
