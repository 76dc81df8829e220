/**
 * One round of the storm, drawn from a seeded generator: who emits what, how the
 * session is set up, what happens to it. Read by the test process, and by the
 * emitting program (programs/emitter.ts), which gets it in a file.
 */
import type { SessionOptions } from "../../src/index.ts";
import type { Mode } from "../../src/record/session-file.ts";
import { Random } from "../support/random.ts";

/** A thread that emits. Slot 0 is the main thread; the others are Workers. */
export interface ThreadPlan {
  /** The thread's index in the counts that it keeps, and its name. */
  readonly slot: number;
  readonly seed: number;
  /** Events, unless it is ended before. */
  readonly count: number;
  /** Events without a pause. */
  readonly burst: number;
  /** Between bursts; 0: as soon as the event loop comes round. */
  readonly pauseMs: number;
  /** Emits `test:toggled`, which is switched from outside, and not `test:tick`. */
  readonly toggled: boolean;
  /** Worker.terminate() after this time. */
  readonly terminateAfterMs?: number;
}

/** Something that is done to the program or its session from outside. */
export interface Action {
  /** After the threads have started. */
  readonly atMs: number;
  readonly what: "flush" | "snapshot" | "toggle" | "kill consumer" | "stop consumer" | "stop program";
  /** Until SIGCONT, for the two that stop. */
  readonly forMs: number;
}

/** How the program ends. */
export type End = "natural" | "exit" | "SIGTERM" | "SIGKILL" | "SIGKILL of both" | "SIGKILL at its start";

/** How large the trace may get. */
export type Limits = Pick<
  SessionOptions,
  "maxSize" | "whenFull" | "rotateSize" | "rotatePeriod" | "maxChunks"
>;

/** Whether packets go missing at the limits; else all that is not in the trace is told by its packets. */
export function drops({ maxSize, whenFull, maxChunks }: Limits): boolean {
  return maxChunks !== undefined || (maxSize !== undefined && whenFull !== "stop");
}

/** A round. */
export interface Plan {
  readonly mode: Mode;
  readonly subBuffers: number;
  readonly subBufferSize: number;
  readonly flushPeriod: number;
  readonly blockTimeout: number;
  readonly limits: Limits;
  /** Workers of a lane run one after another: rings are used again. */
  readonly lanes: readonly (readonly ThreadPlan[])[];
  readonly actions: readonly Action[];
  readonly end: End;
  /** When the end comes, after the threads have started; not for a natural one. */
  readonly endAtMs: number;
}

/** A block timeout that no round reaches: nothing may be lost. */
export const PATIENT_MS = 60_000;

/** The most threads of a round, and the size of the counts. */
export const MAX_SLOTS = 16;

/** How long things happen, after the threads have started. */
const STORM_MS = 150;

/** Threads that pause more often do it for no time: a round is short. */
const MAX_PAUSES = 40;

/** Bytes of a record beside its text: the extended header, two numbers, the text's NUL. */
const MOST_OVERHEAD = 13 + 8 + 1;

/** Draws a round. */
export function drawPlan(random: Random): Plan {
  const subBufferSize = 4096 * random.pick([1, 1, 1, 2, 3, 16]);
  const modes = ["discard", "discard", "overwrite", "overwrite", "block", "block"] as const;
  const ends = [
    "natural",
    "natural",
    "exit",
    "SIGTERM",
    "SIGKILL",
    "SIGKILL",
    "SIGKILL of both",
    "SIGKILL of both",
    "SIGKILL at its start",
  ] as const;
  const mode = random.pick(modes);
  return {
    mode,
    limits: mode === "overwrite" ? {} : drawLimits(random, subBufferSize),
    subBuffers: random.pick([2, 2, 3, 4, 7, 64]),
    subBufferSize,
    flushPeriod: random.pick([1, 7, 50, 1_000_000]),
    blockTimeout: random.pick([0, 5, PATIENT_MS, PATIENT_MS]),
    lanes: drawLanes(random),
    actions: Array.from({ length: random.below(14) }, () => ({
      atMs: random.below(STORM_MS),
      what: random.pick([
        "flush",
        "snapshot",
        "snapshot",
        "toggle",
        "toggle",
        "kill consumer",
        "stop consumer",
        "stop program",
      ] as const),
      forMs: random.between(1, 60),
    })).sort((a, b) => a.atMs - b.atMs),
    end: random.pick(ends),
    endAtMs: random.below(STORM_MS),
  };
}

function drawLimits(random: Random, subBufferSize: number): Limits {
  const kind = random.below(5);
  const maxSize = 8 * (subBufferSize + 256) * random.between(1, 3);
  if (kind === 0) return {};
  if (kind === 1) return { maxSize };
  const rotation = {
    rotateSize: random.pick([4096, 20_000, 100_000]),
    ...(random.below(2) === 0 ? { rotatePeriod: random.pick([1, 10, 50]) } : {}),
  };
  if (kind === 2) return rotation;
  if (kind === 3) return { ...rotation, maxChunks: random.between(1, 4) };
  return { maxSize, whenFull: "stop", ...(random.below(2) === 0 ? rotation : {}) };
}

function drawLanes(random: Random): ThreadPlan[][] {
  const lanes: ThreadPlan[][] = [];
  let slot = 0;
  const thread = (): ThreadPlan => {
    const terminated = slot > 0 && random.below(3) === 0;
    const count = random.pick([0, 1, 40, 1500, 4000, 12_000]);
    const burst = random.pick([1, 10, 100, 1000]);
    const pauses = Math.floor(count / burst);
    return {
      slot: slot++,
      seed: random.u32(),
      count,
      burst,
      pauseMs: pauses > MAX_PAUSES ? 0 : random.pick([0, 1, 5]),
      toggled: random.below(5) === 0,
      ...(terminated ? { terminateAfterMs: random.below(STORM_MS) } : {}),
    };
  };
  lanes.push([thread()]);
  for (let left = random.below(4); left > 0; left--)
    lanes.push(Array.from({ length: random.pick([1, 1, 2, 3]) }, thread));
  return lanes;
}

/** The text of a thread's event number n. */
export function textOf(seed: number, n: number, subBufferSize: number): string {
  const random = new Random(seed, n);
  const letter = String.fromCharCode(97 + random.below(26));
  const kind = random.below(400);
  const length =
    kind === 0
      ? subBufferSize - MOST_OVERHEAD + random.below(300) // around the limit, mostly above it
      : kind < 12
        ? 1 + random.below(2000)
        : 1 + random.below(48); // babeltrace2 before 2.0.5 shows another text for an empty one
  return letter.repeat(length);
}

/** Whether an event's record may be larger than a sub-buffer; below, it fits with any header. */
export function mayBeTooLarge(text: string, subBufferSize: number): boolean {
  return text.length + MOST_OVERHEAD > subBufferSize;
}
