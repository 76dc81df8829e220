/**
 * `buntrace print --live`: the events of running programs, as they come. Each round has the consumers write what there
 * is, opens the traces again and prints what is new. Runs in the command's process.
 *
 * An event that is earlier than one on disk may still be in another thread's ring, but no more once all consumers have
 * flushed since. So a round prints up to the newest time that the round before it saw: in order, each event once.
 */
import { realpathSync } from "node:fs";
import { relative } from "node:path";

import { CtfError } from "../ctf/errors.ts";
import { openTraces, type TraceSet } from "../ctf/trace.ts";
import type { Clock } from "../ctf/types.ts";
import { UserError } from "../errors.ts";
import { isPidTaken, isRunning } from "../record/process.ts";
import { findSessions, type FoundSession } from "../record/session-dir.ts";
import { native } from "../record/thread.ts";
import { EventFilter, type FilterOptions } from "../report/filter.ts";
import { exitStatusOf } from "../report/losses.ts";
import { noMatchText } from "../report/no-match.ts";
import { Output, OutputClosed } from "../report/output.ts";
import { epochText } from "../report/time-text.ts";
import { flushed } from "./flushed.ts";
import { type Printer, type PrinterOptions, printerOf, printRun, warn } from "./printers.ts";

/** From one round to the next, at least. */
const PERIOD_MS = 250;
/** The longest part of the time that rounds take, so that a large trace does not take a processor. */
const LONGEST_SHARE = 1 / 4;
/** Rounds in a row that cannot read the traces, which a rotation may just be moving. */
const MAX_FAILURES = 20;

interface LiveOptions extends FilterOptions, PrinterOptions {
  readonly sessionDir: string;
}

/**
 * Prints traces, and what is added to them until nobody records to them any more.
 *
 * @returns the exit status
 * @throws UserError as `print`, and where a program records in a mode that writes nothing before its end
 */
export async function printLive(paths: readonly string[], options: LiveOptions): Promise<number> {
  const recordings = new Recordings(paths, options.sessionDir);
  const out = new Output(1);
  const news = new News(printerOf(options, out), options);
  let failures = 0;
  for (let isFirst = true; ; isFirst = false) {
    const start = performance.now();
    const state = await recordings.flush();
    if (isFirst && state === "over")
      process.stderr.write(`buntrace: nobody records to ${paths.join(", ")} now: this is all there is\n`);
    try {
      if (state !== "unsure") news.print(openTraces(paths, news.clocks), state === "over");
      out.flush();
      failures = 0;
    } catch (error) {
      if (error instanceof OutputClosed) return 0;
      if (!(error instanceof CtfError) || state === "over" || (failures += 1) > MAX_FAILURES) throw error;
    }
    if (state === "over" || news.isComplete) return news.status;
    await Bun.sleep(Math.max(PERIOD_MS, (performance.now() - start) / LONGEST_SHARE));
  }
}

/** The recordings into some directories. */
class Recordings {
  readonly #paths: readonly string[];
  readonly #sessionDir: string;
  /** Pids of the `record` commands seen: they may start another program. */
  readonly #recorders = new Set<number>();

  constructor(paths: readonly string[], sessionDir: string) {
    this.#paths = paths;
    this.#sessionDir = sessionDir;
  }

  /**
   * Has all written that was emitted before the call.
   *
   * @returns `unsure` when a consumer did not do so; `over` when nobody records any more
   */
  async flush(): Promise<"flushed" | "unsure" | "over"> {
    const sessions = findSessions(this.#sessionDir).filter((session) => this.#isLive(session));
    for (const { info } of sessions) {
      if (info.mode === "overwrite")
        throw new UserError(
          `${info.program} (pid ${info.pid}) records in mode overwrite, which writes nothing before the end: buntrace snapshot ${info.pid} writes what the rings hold`,
        );
      if (info.recorder !== 0) this.#recorders.add(info.recorder);
    }
    if (sessions.length === 0) return [...this.#recorders].some(isPidTaken) ? "flushed" : "over";
    const shim = native();
    if (typeof shim === "string") throw new UserError(shim);
    try {
      await Promise.all(sessions.map((session) => flushed(shim, session, this.#sessionDir)));
      return "flushed";
    } catch {
      return "unsure";
    }
  }

  #isLive({ info }: FoundSession): boolean {
    if (info.finished || (info.consumerDied && !isRunning(info.pid, info.processStart))) return false;
    return this.#paths.some((path) => isIn(info.traceDir, path));
  }
}

/** Whether a directory is another one or below it; not when one does not exist. */
function isIn(dir: string, parent: string): boolean {
  try {
    return !relative(realpathSync(parent), realpathSync(dir)).startsWith("..");
  } catch {
    return false;
  }
}

/** What was not printed yet of traces that are opened again and again. */
class News {
  /** Of the sets opened so far: the times of what was printed must stay what they were. */
  readonly clocks = new Map<string, readonly Clock[]>();
  readonly #printer: Printer;
  #options: FilterOptions;
  /** The newest time on disk, and the one up to which all is printed: nanoseconds since the Unix epoch. */
  #newest: bigint | undefined;
  #printed: bigint | undefined;
  /** Losses printed: a packet that two rounds read tells its losses twice. */
  readonly #told = new Set<string>();
  #isAny = false;
  isComplete = false;
  status = 0;

  constructor(printer: Printer, options: FilterOptions) {
    this.#printer = printer;
    this.#options = options;
  }

  /** @param isLast whether nothing will be added */
  print(set: TraceSet, isLast: boolean): void {
    const filter = new EventFilter(this.#options, set);
    const { since, until } = filter.range;
    // The begin that --since counts from may be dropped meanwhile.
    this.#options = {
      ...this.#options,
      ...(since !== undefined && { since: epochText(since) }),
      ...(until !== undefined && { until: epochText(until) }),
    };
    this.#printer.open(set);
    const upTo = isLast ? undefined : (this.#newest ?? 0n);
    this.#printUpTo(upTo, set, filter);
    set.close();
    this.#printed = upTo;
    this.isComplete = until !== undefined && upTo !== undefined && upTo > until;
    if (!isLast && !this.isComplete) return;
    for (const { message } of set.problems) warn(message);
    if (!this.#isAny && !filter.isEmpty)
      process.stderr.write(`buntrace: ${noMatchText(filter, set, "events")}\n`);
    this.status = exitStatusOf(set.problems);
  }

  #printUpTo(upTo: bigint | undefined, set: TraceSet, filter: EventFilter): void {
    const { since, until } = filter.range;
    const printed = this.#printed;
    const later = since === undefined || (printed !== undefined && printed > since) ? printed : since;
    const runs = set.merger({ since: later, until });
    while (runs.next()) {
      const { batch, from, to } = runs;
      const { base, times, stream } = batch;
      for (const loss of batch.losses) {
        const key = `${stream.path} ${stream.instance} ${loss.kind} ${loss.from} ${loss.to}`;
        if (this.#told.has(key) || (upTo !== undefined && (loss.from ?? 0n) > upTo)) continue;
        this.#told.add(key);
        this.#printer.loss(loss, stream);
      }
      let first = from;
      let end = to;
      const low = printed === undefined ? -Infinity : Number(printed - base);
      const high = upTo === undefined ? Infinity : Number(upTo - base);
      while (first < end && (times[first] ?? 0) <= low) first += 1;
      while (end > first && (times[end - 1] ?? 0) > high) end -= 1;
      this.#isAny = printRun(this.#printer, filter, batch, first, end) || this.#isAny;
      // Runs come in the order of their times.
      if (to > from) this.#newest = base + BigInt(times[to - 1] || 0);
    }
  }
}
