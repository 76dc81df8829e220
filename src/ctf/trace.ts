// Opens traces: finds their directories, reads their metadata and the first packet of each stream, and hands out the
// streams. The entry for everything that reads: the library's index.ts and the commands.
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { Arena } from "./arena.ts";
import { ColumnScan, type ColumnSelection, type EventGroup } from "./columns.ts";
import { type EventRecord, eventRecord } from "./events.ts";
import { CtfError, type Problem, problem } from "./errors.ts";
import { Merger, mergeStreams, type Run } from "./merge.ts";
import { readMetadataText } from "./metadata.ts";
import { type Packet, PacketReader } from "./packet.ts";
import { resolveMetadata } from "./resolve.ts";
import { EventScan } from "./scan.ts";
import { SourceFile } from "./source.ts";
import { type EventBatch, PacketQueue, type Stream, StreamReader, type TimeRange } from "./stream.ts";
import { toNanoseconds } from "./time.ts";
import { parseTsdl } from "./tsdl-parser.ts";
import type { Clock, StreamClass, TraceClass } from "./types.ts";

/** Directories within directories that are searched for traces. */
const MAX_DEPTH = 16;

/** One trace: a directory with metadata, or several with the same UUID. */
export interface Trace {
  /** The directory; of several, the one whose metadata counts. */
  readonly path: string;
  readonly traceClass: TraceClass;
  readonly streams: readonly Stream[];
}

/** Traces opened together. What is wrong in the data is collected, not thrown. */
export class TraceSet {
  readonly traces: readonly Trace[];
  readonly streams: readonly Stream[];
  /** What was wrong with the data read so far. */
  readonly problems: readonly Problem[];
  /** Nanoseconds since the Unix epoch of the first packet's begin; 0n without one. */
  readonly base: bigint;
  readonly #onProblem: (problem: Problem) => void;

  constructor(traces: readonly Trace[], problems: Problem[]) {
    this.traces = traces;
    this.streams = traces.flatMap(({ streams }) => streams);
    this.problems = problems;
    const known = new Set(problems.map(({ message }) => message));
    this.#onProblem = (found) => {
      // Reading twice meets the same problems twice.
      if (known.has(found.message) || known.size >= MAX_PROBLEMS) return;
      known.add(found.message);
      problems.push(found);
    };
    let base: bigint | undefined;
    for (const { streamClass, firstPackets } of this.streams) {
      for (const { begin } of firstPackets) {
        if (begin === undefined || streamClass.clock === undefined) continue;
        const time = toNanoseconds(streamClass.clock, begin);
        if (base === undefined || time < base) base = time;
      }
    }
    this.base = base ?? 0n;
  }

  /** Reads one stream, in its own order. */
  *batches(stream: Stream, range: TimeRange = {}): Generator<EventBatch, void, undefined> {
    for (const reader of this.#readers(range, [stream])) {
      for (let batch = reader.next(); batch !== undefined; batch = reader.next()) yield batch;
    }
  }

  /**
   * Reads some streams, all by default, one after the other, as columns: the groups of each batch, by class. A group is
   * valid until the next one is asked for.
   */
  *groups(
    selection: ColumnSelection = {},
    range: TimeRange = {},
    streams: readonly Stream[] = this.streams,
  ): Generator<EventGroup, void, undefined> {
    const arena = new Arena();
    const scans = new Map<StreamClass, ColumnScan>();
    for (const stream of streams) {
      const columns =
        scans.get(stream.streamClass) ??
        new ColumnScan(arena, stream.packets.decoder(stream.streamClass), selection);
      scans.set(stream.streamClass, columns);
      const reader = new StreamReader(stream, this.base, range, this.#onProblem, arena, columns.scan);
      for (let batch = reader.next(); batch !== undefined; batch = reader.next()) {
        yield* columns.groups(batch);
        columns.clear();
      }
      reader.release();
    }
  }

  /** Reads some streams, all by default, merged by time. A run is valid until the next one is asked for. */
  runs(range: TimeRange = {}, streams: readonly Stream[] = this.streams): Generator<Run, void, undefined> {
    return mergeStreams(this.#readers(range, streams));
  }

  /** As {@link runs}, for those who count nanoseconds. */
  merger(range: TimeRange = {}, streams: readonly Stream[] = this.streams): Merger {
    return new Merger(this.#readers(range, streams));
  }

  #readers(range: TimeRange, streams: readonly Stream[]): StreamReader[] {
    const arena = new Arena();
    const scans = new Map<StreamClass, EventScan>();
    return streams.map((stream) => {
      const { streamClass, packets } = stream;
      const scan = scans.get(streamClass) ?? new EventScan(arena, packets.decoder(streamClass));
      scans.set(streamClass, scan);
      return new StreamReader(stream, this.base, range, this.#onProblem, arena, scan);
    });
  }

  /** All events, as records of their own, merged by time: the convenient form, and the slow one. */
  *events(
    range: TimeRange = {},
    streams: readonly Stream[] = this.streams,
  ): Generator<EventRecord, void, undefined> {
    for (const { batch, from, to } of this.runs(range, streams)) {
      for (let at = from; at < to; at += 1) yield eventRecord(batch, at);
    }
  }

  /** The packets of a stream, in order, without their events. */
  *packets(stream: Stream): Generator<Packet, void, undefined> {
    const queue = new PacketQueue(stream, this.#onProblem);
    for (let packet = queue.next(); packet !== undefined; packet = queue.next()) yield packet;
  }

  /** Closes all files. They are opened again when something is read. */
  close(): void {
    for (const { firstPackets } of this.streams) for (const { file } of firstPackets) file.close();
  }
}

/** Problems kept; a file of damage only has one in every packet. */
const MAX_PROBLEMS = 1000;

/** A directory's trace before directories with the same UUID are joined. */
interface Directory {
  readonly path: string;
  readonly traceClass: TraceClass;
  readonly files: readonly SourceFile[];
}

/**
 * Opens the traces in directories: each is a trace itself, or is searched for traces. Hidden files, and directories in a
 * trace (such as LTTng's `index`), are passed over. Traces with the same UUID are one.
 *
 * @param clocks by their trace's UUID. Given again when traces that grow are opened again, it keeps their times what they were: a tracer
 *   may refine its clock's frequency while it records.
 * @throws CtfError when there is no trace, or a trace's metadata cannot be read
 */
export function openTraces(
  paths: string | readonly string[],
  clocks?: Map<string, readonly Clock[]>,
): TraceSet {
  const problems: Problem[] = [];
  const directories: Directory[] = [];
  for (const path of typeof paths === "string" ? [paths] : paths) {
    const found = findTraces(path, MAX_DEPTH);
    if (found.length === 0)
      throw new CtfError("no trace in it: a trace is a directory with a file metadata", { file: path });
    for (const directory of found) directories.push(openDirectory(directory, problems, clocks));
  }
  const groups = Map.groupBy(directories, ({ traceClass, path }) => traceClass.uuid ?? path);
  // The order of UUIDs is babeltrace2's for events of the same time.
  const keys = [...groups.keys()].sort();
  const traces: Trace[] = [];
  let index = 0;
  for (const key of keys) {
    const trace = openTrace(groups.get(key) ?? [], index, problems);
    index += trace.streams.length;
    traces.push(trace);
  }
  return new TraceSet(traces, problems);
}

function findTraces(path: string, depth: number): string[] {
  const entries = readDirectory(path);
  if (entries.some((entry) => entry.name === "metadata" && !entry.isDirectory())) return [path];
  if (depth === 0) return [];
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .flatMap((entry) => findTraces(join(path, entry.name), depth - 1));
}

function readDirectory(path: string): { name: string; isDirectory(): boolean }[] {
  try {
    // One order for all file systems.
    return readdirSync(path, { withFileTypes: true }).sort((one, other) => (one.name < other.name ? -1 : 1));
  } catch (error) {
    throw new CtfError(reason(error), { file: path });
  }
}

function openDirectory(path: string, problems: Problem[], clocks?: Map<string, readonly Clock[]>): Directory {
  const file = join(path, "metadata");
  let text: string;
  try {
    text = readMetadataText(file);
  } catch (error) {
    throw error instanceof CtfError ? error : new CtfError(reason(error), { file });
  }
  const metadata = parseTsdl(text, file);
  if (metadata.unfinishedLine !== undefined) {
    problems.push(
      problem("torn", "the metadata ends in the middle of a declaration, which is left out", {
        file,
        line: metadata.unfinishedLine,
      }),
    );
  }
  const traceClass = resolveMetadata(metadata, file, clocks);
  const files: SourceFile[] = [];
  for (const { name } of readDirectory(path)) {
    if (name === "metadata" || name.startsWith(".")) continue;
    const streamFile = join(path, name);
    try {
      if (!statSync(streamFile).isFile()) continue;
      const source = new SourceFile(streamFile);
      if (source.size > 0) files.push(source);
      else source.close();
    } catch (error) {
      throw new CtfError(reason(error), { file: streamFile });
    }
  }
  return { path, traceClass, files };
}

/** Joins directories of one trace; the metadata with the most events counts. */
function openTrace(directories: readonly Directory[], firstIndex: number, problems: Problem[]): Trace {
  const main = directories.reduce((best, one) =>
    eventCount(one.traceClass) > eventCount(best.traceClass) ? one : best,
  );
  const { path, traceClass } = main;
  const reader = new PacketReader(traceClass);
  const packets: Packet[] = [];
  for (const file of directories.flatMap(({ files }) => files)) {
    const packet = reader.read(file, 0, 0);
    if ("kind" in packet) problems.push(packet);
    else packets.push(packet);
  }
  // Files of one stream are those that say so; without times they could not be put in order.
  const groups = [
    ...Map.groupBy(packets, ({ instance, begin, file, decoder }) =>
      instance === undefined || begin === undefined ? file.path : `${decoder.streamClass.id} ${instance}`,
    ).values(),
  ];
  const streams = groups
    .map((firstPackets) => ({ firstPackets, first: firstPackets[0] }))
    .flatMap(({ firstPackets, first }) => (first === undefined ? [] : [{ firstPackets, first }]))
    .sort((one, other) => compareStreams(one.first, other.first))
    .map(({ firstPackets, first }, index): Stream => ({
      index: firstIndex + index,
      path,
      streamClass: first.decoder.streamClass,
      instance: first.instance,
      firstPackets,
      packets: reader,
    }));
  return { path, traceClass, streams };
}

/** The order of babeltrace2 for events of the same time: class, number, and the file's name where there is no number. */
function compareStreams(one: Packet, other: Packet): number {
  const ids = one.decoder.streamClass.id - other.decoder.streamClass.id;
  if (ids !== 0n) return ids < 0n ? -1 : 1;
  const instances = (one.instance ?? -1n) - (other.instance ?? -1n);
  if (instances !== 0n) return instances < 0n ? -1 : 1;
  return basename(one.file.path) < basename(other.file.path) ? -1 : 1;
}

function eventCount(trace: TraceClass): number {
  return trace.streamClasses.reduce((sum, { events }) => sum + events.length, 0);
}

/** The system's words for an error, without its call and path. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message.replace(/^([A-Z]+): ([^,]*),.*$/, "$2");
}
