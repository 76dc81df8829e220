/**
 * The sessions of the programs that one `buntrace record` started, found by the
 * pid of the recorder in their headers. Runs in the command's process; reads the
 * session files, which the consumers leave until their totals were read.
 */
import { closeSync, openSync, rmSync } from "node:fs";

import type { Native } from "../record/native.ts";
import { isRunning } from "../record/process.ts";
import { findSessions, type FoundSession } from "../record/session-dir.ts";
import { writeErrorText } from "../record/session-file.ts";
import { eventsOf, type SessionEvent } from "../record/switch.ts";
import { recoverSession } from "./recover.ts";
import { pendingOf } from "./session-table.ts";

/** How long a consumer may take to write the rest: longer than its own grace period for a full disk. */
const FINISH_TIMEOUT_MS = 15_000;

/** Sums over all sessions. */
export interface Totals {
  readonly programs: number;
  readonly events: number;
  readonly bytes: number;
  readonly streams: number;
  /** Events that are not in the trace: discarded or dropped. */
  readonly lost: number;
  /** Of them those that were recorded first: a limit dropped them, or somebody removed the trace's directory. */
  readonly dropped: number;
  /** Values cut to the limit or not convertible. */
  readonly altered: number;
  /** Threads that got no ring: no memory. */
  readonly ringless: number;
}

/** What was not finished when `record` had to go. */
export interface Unfinished {
  /** Programs that still run, in the background say; their traces go on. */
  readonly running: number;
  /** Sessions whose consumer died or could not write: `buntrace recover` reads their files. */
  readonly broken: readonly BrokenSession[];
}

/** A session that ends with events in its file that are not in the trace. */
export interface BrokenSession {
  readonly path: string;
  readonly pid: number;
  /** Events that are still in the file. */
  readonly kept: number;
  /** ": " and why the last write failed; empty where it did not. */
  readonly why: string;
}

/** Watches the sessions of one recorder. */
export class RecordedSessions {
  readonly #dir: string;
  readonly #recorder: number;

  constructor(dir: string, recorder: number) {
    this.#dir = dir;
    this.#recorder = recorder;
  }

  #all(): FoundSession[] {
    return findSessions(this.#dir).filter(({ info }) => info.recorder === this.#recorder);
  }

  /** Sums of what the consumers have written so far. */
  totals(): Totals {
    const found = this.#all();
    const all = found.map(({ info }) => info);
    const sum = (of: (info: FoundSession["info"]) => bigint | number): number =>
      all.reduce((total, info) => total + Number(of(info)), 0);
    return {
      programs: all.length,
      events: sum((info) => info.recordsWritten),
      bytes: sum((info) => info.bytesWritten),
      streams: sum((info) => info.streams),
      // With those that no packet has told yet: a full disk takes none any more.
      lost:
        sum((info) => info.discardedTold + info.ringlessDiscarded + info.dropped) +
        found.reduce((total, session) => total + (pendingOf(session)?.discarded ?? 0), 0),
      dropped: sum((info) => info.dropped),
      altered: sum((info) => info.alteredValues),
      ringless: sum((info) => info.ringlessDiscarded),
    };
  }

  /** The event types of all sessions; a type of several is there as often. */
  eventTypes(): SessionEvent[] {
    return this.#all().flatMap(({ path }) => {
      const file = openSync(path, "r");
      try {
        return [...eventsOf(file)];
      } finally {
        closeSync(file);
      }
    });
  }

  /**
   * Waits until every session whose program has ended is finished. Where the
   * consumer died as well, another one is run on the session file.
   * @param endAll ends the programs that still run: the kernel is about to, and would
   * not wait for their consumers.
   */
  async finished(shim: Native, endAll: boolean): Promise<Unfinished> {
    const deadline = performance.now() + FINISH_TIMEOUT_MS;
    const failed = new Set<string>();
    for (let pause = 0.5; ; pause = Math.min(pause * 1.5, 50)) {
      const open = this.#all().filter(({ info }) => !info.finished);
      const dead = open.filter(({ info }) => !isRunning(info.pid, info.processStart));
      if (endAll) for (const { info } of open) if (isRunning(info.pid, info.processStart)) end(info.pid);
      for (const session of dead) {
        if (failed.has(session.path) || !session.info.consumerDied) continue;
        const { state } = await recoverSession(shim, session);
        if (state === "failed") failed.add(session.path);
      }
      const waiting = dead.filter(({ path }) => !failed.has(path));
      const done = waiting.length === 0 && (!endAll || open.length === dead.length);
      if (done || performance.now() > deadline)
        return { running: open.length - dead.length, broken: this.#broken(dead) };
      await Bun.sleep(pause);
    }
  }

  /** What is left of sessions, as their files say now. */
  #broken(sessions: readonly FoundSession[]): BrokenSession[] {
    const paths = new Set(sessions.map(({ path }) => path));
    return this.#all().flatMap((session) => {
      const { path, info } = session;
      if (!paths.has(path) || info.finished) return [];
      const kept = pendingOf(session)?.records ?? 0;
      return [{ path, pid: info.pid, kept, why: writeErrorText(info) }];
    });
  }

  /** Removes the session files that are finished: their totals were read. */
  remove(): void {
    for (const { path, info } of this.#all()) if (info.finished) rmSync(path, { force: true });
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended meanwhile.
  }
}
