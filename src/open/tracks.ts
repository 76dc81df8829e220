/**
 * Whose events the page shows apart: threads, processors, streams; with their rows of spans, their
 * losses and the density of what is not shown one by one. Made by gather.ts.
 */
import type { Loss, Stream } from "../ctf/stream.ts";
import { toNanoseconds } from "../ctf/time.ts";
import type { Trace, TraceSet } from "../ctf/trace.ts";
import { streamName } from "../report/losses.ts";
import type { Thread } from "../spans/index.ts";
import type { LossHeader, ProcessHeader, TrackHeader } from "./format.ts";
import { Lanes } from "./lanes.ts";

/** Time bins of the density: more than a screen has columns. */
export const DENSITY_BINS = 4096;

/** One track, while it is gathered. */
export class Track {
  readonly index: number;
  readonly thread: Thread | undefined;
  readonly stream: Stream;
  readonly lanes = new Lanes();
  readonly losses: Loss[] = [];
  #density: number[] = [];

  constructor(index: number, thread: Thread | undefined, stream: Stream) {
    this.index = index;
    this.thread = thread;
    this.stream = stream;
  }

  /** Counts an event that is not shown. @param at where it is between begin and end, 0 to 1 */
  addHidden(at: number): void {
    if (this.#density.length === 0) this.#density = Array.from({ length: DENSITY_BINS }, () => 0);
    const bin = Math.min(DENSITY_BINS - 1, Math.max(0, Math.floor(at * DENSITY_BINS)));
    this.#density[bin] = (this.#density[bin] ?? 0) + 1;
  }

  header(set: TraceSet): TrackHeader {
    const time = (value: bigint | undefined): number | null =>
      value === undefined ? null : Number(value - set.base);
    const losses = this.losses.map(({ kind, count, from, to }): LossHeader => {
      return { kind, count: count === undefined ? null : Number(count), from: time(from), to: time(to) };
    });
    const process = set.traces.findIndex(({ streams }) => streams.includes(this.stream));
    const { count: lanes } = this.lanes;
    return { process, name: this.#name(), losses, lanes, density: this.#density };
  }

  #name(): string {
    const context = this.stream.firstPackets[0]?.context;
    const { tid, name } = this.thread ?? { tid: undefined, name: undefined };
    const text = [name, tid].filter((part) => part !== undefined && part !== "").join(" ");
    if (text !== "") return text.toWellFormed();
    const cpu = context?.["cpu_id"];
    return cpu === undefined ? streamName(this.stream) : `cpu ${String(cpu)}`;
  }
}

/** All tracks, in the order in which they were met. */
export class Tracks {
  readonly all: Track[] = [];
  readonly #byThread = new Map<Thread, Track>();
  readonly #byStream = new Map<Stream, Track>();
  readonly #losses = new Map<Stream, Loss[]>();

  of(thread: Thread, stream: Stream): Track {
    let track = this.#byThread.get(thread);
    if (track === undefined) {
      track = new Track(this.all.length, thread, stream);
      this.all.push(track);
      this.#byThread.set(thread, track);
    }
    if (!this.#byStream.has(stream)) this.#byStream.set(stream, track);
    return track;
  }

  /** A stream's losses; they are its thread's where it is one. */
  addLosses(stream: Stream, losses: readonly Loss[]): void {
    this.#losses.set(stream, [...(this.#losses.get(stream) ?? []), ...losses]);
  }

  /** Gives the losses to the tracks, and to tracks of their own where a stream's events are many threads'. */
  finish(): void {
    for (const [stream, losses] of this.#losses) {
      const known = this.#byStream.get(stream);
      const isThread = known !== undefined && known.thread?.tid === undefined;
      const ours = known?.stream.firstPackets[0]?.context?.["tid"] !== undefined;
      let track = isThread || ours ? known : undefined;
      if (track === undefined) {
        track = new Track(this.all.length, undefined, stream);
        this.all.push(track);
      }
      track.losses.push(...losses);
    }
  }
}

/** What stands above the tracks of a process. @param base of the set */
export function processHeader({ traceClass, path, streams }: Trace, base: bigint): ProcessHeader {
  const { environment } = traceClass;
  const name = environment.get("procname") ?? environment.get("program") ?? path;
  const pid = environment.get("vpid") ?? environment.get("pid");
  const begins = streams.flatMap(({ streamClass: { clock }, firstPackets }) =>
    firstPackets.flatMap(({ begin }) =>
      begin === undefined || clock === undefined ? [] : [Number(toNanoseconds(clock, begin) - base)],
    ),
  );
  return {
    name: `${name}${pid === undefined ? "" : ` (${pid})`}`,
    facts: [path, ...[...environment].map(([key, value]) => `${key} = ${value}`)],
    begin: begins.length === 0 ? null : Math.min(...begins),
  };
}
