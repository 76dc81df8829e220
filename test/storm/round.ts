/**
 * Runs one round of the storm: starts the emitting program, does to it and to its
 * session what the plan says, and sees to it that the trace is finished, by `recover`
 * where program and consumer both died. Runs in the test process.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { recoverSession } from "../../src/commands/recover.ts";
import { cString, ERROR_BYTES, type Native, textOf } from "../../src/record/native.ts";
import { findSessions, type FoundSession } from "../../src/record/session-dir.ts";
import { type SnapshotResult, takeSnapshot } from "../../src/record/snapshot.ts";
import { switchEvents } from "../../src/record/switch.ts";
import { native } from "../../src/record/thread.ts";
import type { Place } from "../support/place.ts";
import { consumersOf, isAlive, waitFor } from "../support/processes.ts";
import { start } from "../support/run.ts";
import { type Action, MAX_SLOTS, type Plan } from "./plan.ts";

const EMITTER = join(import.meta.dirname, "programs/emitter.ts");

/** Longest wait for a program's end: a second for each consumer that has to be replaced, on a loaded machine. */
const END_MS = 40_000;

/** A snapshot that was taken, with the counts just before and just after. */
export interface Snapshot {
  readonly result: SnapshotResult;
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** What a round left to be verified. */
export interface Outcome {
  /** Events that each thread says it emitted. */
  readonly counts: readonly number[];
  readonly snapshots: readonly Snapshot[];
  /** How often `test:toggled` was switched. */
  readonly toggles: number;
  readonly recovered: boolean;
}

/** One round in progress. */
class Round {
  readonly snapshots: Snapshot[] = [];
  toggles = 0;
  readonly #shim: Native;
  readonly #stopped = new Set<number>();

  constructor(
    readonly place: Place,
    readonly countsFile: string,
    readonly program: Bun.Subprocess,
  ) {
    const loaded = native();
    if (typeof loaded === "string") throw new Error(loaded);
    this.#shim = loaded;
  }

  counts(): number[] {
    const bytes = readFileSync(this.countsFile);
    return Array.from({ length: MAX_SLOTS }, (_, slot) => bytes.readUInt32LE(slot * 4));
  }

  #session(): FoundSession | undefined {
    return findSessions(this.place.sessionDir).find(({ info }) => !info.finished);
  }

  /** The consumer of this round, by a second look: never a process that got its id. */
  #consumer(): number | undefined {
    return consumersOf(this.place.sessionDir)[0];
  }

  /** Sends a signal to a process that may be gone; the program's id may be another's by then, which its handle knows. */
  signal(pid: number | undefined, name: NodeJS.Signals): void {
    try {
      if (pid === this.program.pid) this.program.kill(name);
      else if (pid !== undefined) process.kill(pid, name);
    } catch {
      // It ended by itself.
    }
  }

  #stop(pid: number | undefined, forMs: number): void {
    if (pid === undefined) return;
    this.signal(pid, "SIGSTOP");
    this.#stopped.add(pid);
    setTimeout(() => {
      if (this.#stopped.delete(pid)) this.signal(pid, "SIGCONT");
    }, forMs);
  }

  act({ what, forMs }: Action): void {
    if (what === "stop program") this.#stop(this.program.pid, forMs);
    else if (what === "stop consumer") this.#stop(this.#consumer(), forMs);
    else if (what === "kill consumer") this.signal(this.#consumer(), "SIGKILL");
    else this.#steer(what);
  }

  #steer(what: "flush" | "snapshot" | "toggle"): void {
    const session = this.#session();
    if (!session) return;
    try {
      if (what === "flush") this.#flush(session);
      else if (what === "toggle") switchEvents(session.path, "test:toggled", this.toggles++ % 2 === 1);
      else this.#snapshot(session);
    } catch (error) {
      // The session may end at any moment; while it lives none of this may fail.
      if (this.#session()?.path === session.path && isAlive(this.program.pid)) throw error;
    }
  }

  #flush({ path }: FoundSession): void {
    const error = Buffer.alloc(ERROR_BYTES);
    if (this.#shim.steer.bt_tell_flush(cString(path), error) >= 0) return;
    if (!/its consumer died|has no consumer/.test(textOf(error))) throw new Error(textOf(error));
  }

  #snapshot({ path, info }: FoundSession): void {
    const before = this.counts();
    const output = join(this.place.dir, `snapshot-${this.snapshots.length}`);
    const result = takeSnapshot(this.#shim, path, info.traceDir, output);
    this.snapshots.push({ result, before, after: this.counts() });
  }

  killBoth(consumerFirst: boolean): void {
    const consumer = this.#consumer();
    if (consumerFirst) this.signal(consumer, "SIGKILL");
    this.signal(this.program.pid, "SIGKILL");
    if (!consumerFirst) this.signal(consumer, "SIGKILL");
  }

  /** Lets what was stopped go on. */
  release(): void {
    for (const pid of this.#stopped) this.signal(pid, "SIGCONT");
    this.#stopped.clear();
  }

  /** Resolves when the trace is finished. @returns whether `recover` had to do it. */
  async finished(): Promise<boolean> {
    let recovered = false;
    for (;;) {
      this.release();
      const [session] = findSessions(this.place.sessionDir);
      if (!session) break;
      if (consumersOf(this.place.sessionDir).length > 0) {
        await Bun.sleep(2);
        continue;
      }
      const { state, text } = await recoverSession(this.#shim, session);
      if (state === "failed") throw new Error(text);
      if (state === "recovered") recovered = true;
      this.#remove(session);
    }
    await waitFor("the consumers to leave", () => consumersOf(this.place.sessionDir).length === 0);
    return recovered;
  }

  /** `recover` removes the file of a session that it found finished; its consumer has removed others. */
  #remove({ path }: FoundSession): void {
    const [left] = findSessions(this.place.sessionDir);
    if (left?.path === path && !left.info.finished) throw new Error(`${path} is there after recover`);
  }
}

/** Runs a round to the end of its trace. */
export async function runRound(place: Place, plan: Plan): Promise<Outcome> {
  const planFile = join(place.dir, "plan.json");
  const countsFile = join(place.dir, "counts");
  writeFileSync(planFile, JSON.stringify(plan));
  writeFileSync(countsFile, Buffer.alloc(MAX_SLOTS * 4));
  const { mode, subBuffers, subBufferSize, flushPeriod, blockTimeout, limits } = plan;
  const program = start(place, EMITTER, {
    args: [planFile, countsFile],
    session: { mode, subBuffers, subBufferSize, flushPeriod, blockTimeout, ...limits },
  });
  const round = new Round(place, countsFile, program);
  const errors = program.stderr.text();
  try {
    if (plan.end === "SIGKILL at its start") {
      await Bun.sleep(plan.endAtMs);
      program.kill("SIGKILL");
    } else {
      await program.stdout.getReader().read();
      await storm(round, plan);
    }
    round.release();
    const patience = setTimeout(() => program.kill("SIGABRT"), END_MS);
    await program.exited;
    clearTimeout(patience);
    if ((await errors) !== "" || program.signalCode === "SIGABRT")
      throw new Error(`the program ended by ${program.signalCode ?? program.exitCode}: ${await errors}`);
    const recovered = await round.finished();
    return { counts: round.counts(), snapshots: round.snapshots, toggles: round.toggles, recovered };
  } finally {
    round.release();
    program.kill("SIGKILL");
    await program.exited;
  }
}

async function storm(round: Round, plan: Plan): Promise<void> {
  const began = performance.now();
  const until = async (ms: number): Promise<void> => Bun.sleep(Math.max(0, began + ms - performance.now()));
  const early = plan.end === "natural" || plan.end === "exit" ? Infinity : plan.endAtMs;
  for (const action of plan.actions) {
    if (action.atMs > early) break;
    await until(action.atMs);
    round.act(action);
  }
  if (early === Infinity) return;
  await until(early);
  if (plan.end === "SIGKILL of both") round.killBoth(plan.endAtMs % 2 === 0);
  else round.signal(round.program.pid, plan.end === "SIGTERM" ? "SIGTERM" : "SIGKILL");
}
