/**
 * A session's settings: what a program or the command asks for, checked once, at
 * the border. The command hands them to the traced process in one environment
 * variable.
 */
import { parseGlob } from "./glob.ts";
import {
  type Clock,
  CLOCKS,
  GEOMETRY,
  type Limits,
  type Mode,
  MODES,
  WHEN_FULL,
  type WhenFull,
} from "./session-file.ts";

/** What `openSession` takes. All have defaults. */
export interface SessionOptions {
  /** Directory for the trace, or "null": consume, write nothing. Default "buntrace.data". */
  readonly output?: string;
  /** What happens when a ring is full. Default "discard". */
  readonly mode?: Mode;
  /** Globs of the event types that start enabled, as "http:*" or "*@warning". Default: all. */
  readonly enable?: readonly string[];
  /** Bytes of a sub-buffer: a multiple of 4096. Default 256 KiB. */
  readonly subBufferSize?: number;
  /** Sub-buffers of a ring, 2 to 64. Default 8. */
  readonly subBuffers?: number;
  /** Milliseconds after which events are on disk however few there are. Default 1000. */
  readonly flushPeriod?: number;
  /** In block mode, milliseconds to wait for room before an event is discarded. Default 1000. */
  readonly blockTimeout?: number;
  /** Default "cycles", which becomes "monotonic" where the processor's counter is not invariant. */
  readonly clock?: Clock;
  /** Directory of the session file. Default: on tmpfs. */
  readonly sessionDir?: string;
  /** Most bytes of a stream (what one thread writes): 8 sub-buffers and more. Default: no limit. */
  readonly maxSize?: number;
  /** What happens at `maxSize`: the stream's oldest events go, a twelfth or a sub-buffer at a time, or it takes no more. Default "drop-oldest". */
  readonly whenFull?: WhenFull;
  /** Bytes after which, or up to a sub-buffer before, the trace goes on in another directory, a chunk. Default: never. */
  readonly rotateSize?: number;
  /** Milliseconds after which the trace goes on in another chunk, if there is anything in this one. Default: never. */
  readonly rotatePeriod?: number;
  /** How many chunks are kept, 1 to 256; the oldest go. Default: all. */
  readonly maxChunks?: number;
  /**
   * Directory for snapshots: at each uncaught error and unhandled rejection, of any
   * thread, what the rings hold, as a trace of its own; at most 10 a process. Default: none.
   */
  readonly snapshotOnError?: string;
}

/** Checked settings. */
export interface Settings extends Required<Omit<SessionOptions, "output" | "snapshotOnError">>, Limits {
  /** A directory, or undefined: write nothing. */
  readonly output: string | undefined;
  /** A directory, or undefined: no snapshots. */
  readonly snapshotOnError: string | undefined;
}

/** Defaults of the numbers. 8 x 256 KiB holds 2 ms of events at full speed, until the consumer gets a processor. */
export const DEFAULTS = {
  subBufferSize: 256 * 1024,
  subBuffers: 8,
  flushPeriod: 1000,
  blockTimeout: 1000,
} as const;

/** The output when none is named. */
const DEFAULT_OUTPUT = "buntrace.data";

/** The session directory when none is named: on tmpfs, one a user. */
export function defaultSessionDir(): string {
  return process.env["BUNTRACE_SESSION_DIR"] ?? `/dev/shm/buntrace-${process.getuid?.() ?? 0}`;
}

/** Longest period or timeout: a day, in milliseconds. */
const MAX_MS = 86_400_000;

/** What the session header holds of globs, bytes. */
const MAX_ENABLE_BYTES = 1023;

/** What each option is, as `typeof` says it. */
const KINDS: Readonly<Record<keyof SessionOptions, "string" | "number" | "object">> = {
  output: "string",
  mode: "string",
  enable: "object",
  subBufferSize: "number",
  subBuffers: "number",
  flushPeriod: "number",
  blockTimeout: "number",
  clock: "string",
  sessionDir: "string",
  maxSize: "number",
  whenFull: "string",
  rotateSize: "number",
  rotatePeriod: "number",
  maxChunks: "number",
  snapshotOnError: "string",
};

/**
 * Checks what TypeScript would have checked: that these are options, each of its type.
 * @throws Error with one line: which is not.
 */
export function checkTypes(options: SessionOptions): void {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw new Error('the options of a session are an object, as { output: "trace" }');
  const kinds: Readonly<Record<string, string>> = KINDS;
  for (const [name, value] of Object.entries<unknown>({ ...options })) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined)
      throw new Error(`there is no option ${JSON.stringify(name)}: use ${Object.keys(kinds).join(", ")}`);
    const takes = kind === "object" ? "an array of globs" : `a ${kind}`;
    if (value !== undefined && (typeof value !== kind || value === null))
      throw new Error(`${name} takes ${takes}, not ${value === null ? "null" : `a ${typeof value}`}`);
  }
  const { enable = [] } = options;
  if (!Array.isArray(enable) || enable.some((glob) => typeof glob !== "string"))
    throw new Error('enable takes an array of globs, as ["http:*"]');
}

/**
 * Checks options and fills in the defaults.
 * @throws Error with one line: which option, what value, what it takes.
 */
export function checkOptions(options: SessionOptions = {}): Settings {
  const enable = options.enable ?? [];
  for (const glob of enable) parseGlob(glob);
  if (Buffer.byteLength(enable.join(",")) > MAX_ENABLE_BYTES)
    throw new Error(`the globs to enable take more than ${MAX_ENABLE_BYTES} bytes; use wildcards`);
  const subBufferSize = number(
    "subBufferSize",
    options.subBufferSize ?? DEFAULTS.subBufferSize,
    GEOMETRY.minSubBufferBytes,
    GEOMETRY.maxRingBytes / 2,
  );
  if (subBufferSize % 4096 !== 0)
    throw new Error(`subBufferSize ${subBufferSize} is not a multiple of 4096 bytes`);
  const subBuffers = number(
    "subBuffers",
    options.subBuffers ?? DEFAULTS.subBuffers,
    GEOMETRY.minSubBuffers,
    GEOMETRY.maxSubBuffers,
  );
  if (subBufferSize * subBuffers > GEOMETRY.maxRingBytes)
    throw new Error(
      `subBufferSize ${subBufferSize} x subBuffers ${subBuffers} is more than a ring's ${GEOMETRY.maxRingBytes} bytes`,
    );
  const output = options.output ?? DEFAULT_OUTPUT;
  if (output === "") throw new Error("output is empty; name a directory");
  const { snapshotOnError } = options;
  if (snapshotOnError === "") throw new Error("snapshotOnError is empty; name a directory");
  if (snapshotOnError !== undefined && output === "null")
    throw new Error("snapshotOnError needs an output: a snapshot is described by the session's metadata");
  return {
    output: output === "null" ? undefined : output,
    snapshotOnError,
    mode: oneOf("mode", options.mode ?? "discard", MODES),
    enable,
    subBufferSize,
    subBuffers,
    flushPeriod: number("flushPeriod", options.flushPeriod ?? DEFAULTS.flushPeriod, 1, MAX_MS),
    blockTimeout: number("blockTimeout", options.blockTimeout ?? DEFAULTS.blockTimeout, 0, MAX_MS),
    clock: oneOf("clock", options.clock ?? "cycles", CLOCKS),
    sessionDir: options.sessionDir ?? defaultSessionDir(),
    ...checkLimits(options, subBufferSize),
  };
}

/** A packet's head, and some: what a sub-buffer is more than its records on disk. */
const PACKET_BYTES = 256;

/** Least size of a stream with a limit: of fewer, dropping one would lose much. */
const LEAST_SUB_BUFFERS = 8;

/** Least bytes of a chunk: less would be a directory a packet. */
const MIN_CHUNK_BYTES = 4096;

function checkLimits(options: SessionOptions, subBufferSize: number): Limits {
  const { maxSize, whenFull, rotateSize, rotatePeriod, maxChunks } = options;
  const rotates = rotateSize !== undefined || rotatePeriod !== undefined;
  if (whenFull !== undefined && maxSize === undefined) throw new Error("whenFull needs maxSize");
  if (maxChunks !== undefined && !rotates) throw new Error("maxChunks needs rotateSize or rotatePeriod");
  if (options.mode === "overwrite" && (rotates || maxSize !== undefined))
    throw new Error(
      `${rotates ? "rotation" : "maxSize"} needs mode discard or block: in mode overwrite nothing is written before the end`,
    );
  const full = oneOf("whenFull", whenFull ?? "drop-oldest", WHEN_FULL);
  if (rotates && maxSize !== undefined && full === "drop-oldest")
    throw new Error("with rotation the oldest chunks go: use maxChunks, or maxSize with whenFull stop");
  const least = LEAST_SUB_BUFFERS * (subBufferSize + PACKET_BYTES);
  return {
    maxSize:
      maxSize === undefined
        ? 0
        : atLeast("maxSize", maxSize, least, ` (${LEAST_SUB_BUFFERS} sub-buffers: see subBufferSize)`),
    whenFull: full,
    rotateSize: rotateSize === undefined ? 0 : atLeast("rotateSize", rotateSize, MIN_CHUNK_BYTES),
    rotatePeriod: rotatePeriod === undefined ? 0 : number("rotatePeriod", rotatePeriod, 1, MAX_MS),
    maxChunks: maxChunks === undefined ? 0 : number("maxChunks", maxChunks, 1, GEOMETRY.maxChunks),
  };
}

function number(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new Error(`${name} ${String(value)} is not a whole number from ${least} to ${most}`);
  return value;
}

function atLeast(name: string, value: number, least: number, why = ""): number {
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`${name} ${String(value)} is not a whole number of at least ${least}${why}`);
  return value;
}

function oneOf<const T extends string>(name: string, value: string, all: readonly T[]): T {
  for (const one of all) if (one === value) return one;
  throw new Error(`${name} ${JSON.stringify(value)}: use one of ${all.join(", ")}`);
}

/** Carries the settings from `buntrace record` to the programs it starts. */
export const SETTINGS_VARIABLE = "BUNTRACE_RECORD";

/** What `buntrace record` tells the programs it starts. */
export interface RecordSettings extends SessionOptions {
  /** Its pid: it collects the finished session files. */
  readonly recorder: number;
  /** What it put in front of BUN_OPTIONS: the preload, in quotes where Bun needs them. */
  readonly bunOption?: string;
  /** False: programs that a recorded program starts are left alone. */
  readonly follow?: boolean;
}

/** Settings for the environment variable. */
export function writeSettings(settings: RecordSettings): string {
  return JSON.stringify(settings);
}

/**
 * Settings from the environment variable, or undefined when this process was not
 * started by `record`.
 * @throws Error when somebody else wrote the variable.
 */
export function settingsFromEnvironment(): RecordSettings | undefined {
  const text = process.env[SETTINGS_VARIABLE];
  if (text === undefined || text === "") return undefined;
  try {
    const settings = JSON.parse(text) as Partial<RecordSettings>;
    return { ...settings, recorder: settings.recorder ?? 0 };
  } catch {
    throw new Error(`the environment variable ${SETTINGS_VARIABLE} is not JSON: ${text.slice(0, 80)}`);
  }
}
