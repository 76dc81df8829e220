/**
 * The session file as TypeScript sees it: where the fields of shim/session.h
 * lie, how a new header is filled in, and what a header read from a file says.
 * Called in the traced process when a session opens, and in the command's process
 * to look at other programs' sessions.
 */

/** Version of the layout; a file of another version is refused. */
export const SESSION_VERSION = 5;
/** What the file starts with. */
export const MAGIC = "BUNTRACE";

/** Size of the header, bytes. */
export const HEADER_BYTES = 4096;
/** Where the enabled bytes start, one an event id. */
export const ENABLED_AT = 8192;
/** Most event types of a session. */
export const MAX_EVENTS = 8192;
/** Where the event table starts, 256 bytes an event id. */
export const EVENTS_AT = ENABLED_AT + MAX_EVENTS;
/** Where ring 0 starts. */
const RINGS_AT = EVENTS_AT + MAX_EVENTS * 256;
const MAX_RINGS = 256;

/** Geometry limits, as in session.h. */
export const GEOMETRY = {
  minSubBufferBytes: 4096,
  minSubBuffers: 2,
  maxSubBuffers: 64,
  maxRingBytes: 2 ** 30,
  /** Bytes of a thread name, its final NUL included. */
  threadNameBytes: 32,
  /** Most chunks that a limit may keep. */
  maxChunks: 256,
} as const;

/** Offsets in the header (struct bt_session). A test compares them with session.h. */
export const SESSION_OFFSETS = {
  version: 8,
  pid: 12,
  process_start: 16,
  mode: 24,
  clock: 28,
  output: 32,
  sub_buffers: 36,
  sub_buffer_size: 40,
  flush_period_ns: 48,
  block_timeout_ns: 56,
  uuid: 64,
  clock_text_at: 80,
  base_cycles: 88,
  base_monotonic_ns: 96,
  base_realtime_ns: 104,
  program: 112,
  trace_dir: 272,
  consumer_path: 1296,
  enable: 2320,
  recorder: 3344,
  when_full: 3348,
  max_size: 3352,
  rotate_size: 3360,
  rotate_period_ns: 3368,
  max_chunks: 3376,
  event_count: 3396,
  ring_count: 3400,
  ringless_discarded: 3408,
  flush_request: 3416,
  altered_values: 3420,
  consumer_lock: 3456,
  state: 3460,
  flush_done: 3468,
  bytes_written: 3472,
  records_written: 3480,
  discarded_told: 3488,
  streams: 3496,
  write_errno: 3500,
  dropped: 3504,
  chunks_current: 3512,
  chunks: 3520,
  complete_until: 3664,
  killed_by: 3672,
} as const;

/** Size of struct bt_chunks; the number of the chunk comes first. */
const CHUNKS_BYTES = 72;

const TEXT_BYTES = { program: 160, trace_dir: 1024, consumer_path: 1024, enable: 1024 } as const;

/** Names of the modes and clocks, in the order of their numbers in session.h. */
export const MODES = ["discard", "overwrite", "block"] as const;
/** What a session does when a ring is full. */
export type Mode = (typeof MODES)[number];
/** What a stream's limit does. */
export const WHEN_FULL = ["drop-oldest", "stop"] as const;
/** What happens when a stream has reached its limit: its oldest packets go, or it takes no more. */
export type WhenFull = (typeof WHEN_FULL)[number];
/** The clocks: the processor's cycle counter, or the kernel's monotonic clock. */
export const CLOCKS = ["cycles", "monotonic"] as const;
/** Which clock a session's times are in. */
export type Clock = (typeof CLOCKS)[number];

/** What a new session's header is made from. */
export interface NewSession {
  readonly mode: Mode;
  readonly clock: Clock;
  /** False: consume and write nothing. */
  readonly toDisk: boolean;
  readonly subBuffers: number;
  readonly subBufferBytes: number;
  readonly flushPeriodMs: number;
  readonly blockTimeoutMs: number;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  readonly program: string;
  /** Absolute path. */
  readonly consumerPath: string;
  /** Globs of the event types that start enabled; none: all. */
  readonly enable: readonly string[];
  /** Pid of the command that removes the finished session file; 0: the consumer does. */
  readonly recorder: number;
  readonly limits: Limits;
}

/** How large a trace may get; 0: no limit. */
export interface Limits {
  /** Bytes of a stream. */
  readonly maxSize: number;
  readonly whenFull: WhenFull;
  /** Bytes of a chunk. */
  readonly rotateSize: number;
  /** Milliseconds of a chunk. */
  readonly rotatePeriod: number;
  /** Chunks that are kept. */
  readonly maxChunks: number;
}

/**
 * Fills in a header but for what shim/create.c finds out: clock, process start, trace directory.
 * @throws Error when a path does not fit.
 */
export function newHeader(session: NewSession): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const at = SESSION_OFFSETS;
  header.write(MAGIC, 0, "latin1");
  header.writeUInt32LE(SESSION_VERSION, at.version);
  header.writeUInt32LE(process.pid, at.pid);
  header.writeUInt32LE(MODES.indexOf(session.mode), at.mode);
  header.writeUInt32LE(CLOCKS.indexOf(session.clock), at.clock);
  header.writeUInt32LE(session.toDisk ? 0 : 1, at.output);
  header.writeUInt32LE(session.subBuffers, at.sub_buffers);
  writeU64(header, session.subBufferBytes, at.sub_buffer_size);
  writeU64(header, Math.round(session.flushPeriodMs * 1e6), at.flush_period_ns);
  writeU64(header, Math.round(session.blockTimeoutMs * 1e6), at.block_timeout_ns);
  header.set(session.uuid, at.uuid);
  writeText(header, "program", session.program.slice(0, 100));
  writeText(header, "consumer_path", session.consumerPath);
  header.writeUInt32LE(session.recorder, at.recorder);
  const { maxSize, whenFull, rotateSize, rotatePeriod, maxChunks } = session.limits;
  header.writeUInt32LE(WHEN_FULL.indexOf(whenFull), at.when_full);
  header.writeBigUInt64LE(BigInt(maxSize), at.max_size);
  header.writeBigUInt64LE(BigInt(rotateSize), at.rotate_size);
  header.writeBigUInt64LE(BigInt(rotatePeriod * 1e6), at.rotate_period_ns);
  header.writeUInt32LE(maxChunks, at.max_chunks);
  writeText(header, "enable", session.enable.join(","));
  return header;
}

/** Writes an integer up to 2^53 in 64 bits. Without a bigint: the first of a program takes 0.1 ms. */
function writeU64(header: Buffer, value: number, at: number): void {
  header.writeUInt32LE(value % 2 ** 32, at);
  header.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

function writeText(header: Buffer, field: keyof typeof TEXT_BYTES, text: string): void {
  const bytes = new TextEncoder().encode(`${text}\0`);
  if (bytes.length > TEXT_BYTES[field])
    throw new Error(`${field} ${JSON.stringify(text)} is longer than ${TEXT_BYTES[field] - 1} bytes`);
  header.set(bytes, SESSION_OFFSETS[field]);
}

/** The rules of a header: which event types are enabled. */
export function readRules(header: Buffer): string[] {
  return readText(header, "enable")
    .split(",")
    .filter((glob) => glob !== "");
}

/** What a session file's header says. */
export interface SessionInfo {
  readonly pid: number;
  readonly processStart: bigint;
  readonly mode: Mode;
  /** What the times are read from: asked for, or what the machine has. */
  readonly clock: Clock;
  readonly program: string;
  readonly traceDir: string;
  readonly enable: readonly string[];
  readonly recorder: number;
  readonly startedAtNs: bigint;
  readonly finished: boolean;
  /** Thread id of the consumer; 0 when none has come up, or the last one died. */
  readonly consumerPid: number;
  readonly consumerDied: boolean;
  /** Events that are in the trace now. */
  readonly recordsWritten: bigint;
  readonly discardedTold: bigint;
  /** Events that were recorded and are not in the trace: a limit dropped them, or somebody removed its directory. */
  readonly dropped: bigint;
  /** Bytes of the packets that are in the trace now; without the first packets that dropped ones leave behind. */
  readonly bytesWritten: bigint;
  /** Number of the chunk that is being written, from 0. */
  readonly chunk: number;
  readonly alteredValues: number;
  readonly ringlessDiscarded: bigint;
  readonly streams: number;
  /** The flush request that the consumer has carried out. */
  readonly flushDone: number;
  /** errno of the consumer's last write, 0 when it went well. */
  readonly writeErrno: number;
}

/**
 * Reads a header.
 * @throws Error that says why the bytes are no session of this version.
 */
export function readHeader(header: Buffer): SessionInfo {
  const at = SESSION_OFFSETS;
  if (header.toString("latin1", 0, MAGIC.length) !== MAGIC) throw new Error("not a session file");
  if (header.length < HEADER_BYTES) throw new Error("not a session file: too short");
  const version = header.readUInt32LE(at.version);
  if (version !== SESSION_VERSION)
    throw new Error(`a session file of version ${version}; this buntrace reads version ${SESSION_VERSION}`);
  const mode = MODES[header.readUInt32LE(at.mode)];
  if (mode === undefined) throw new Error("a damaged session file: impossible mode");
  const clock = CLOCKS[header.readUInt32LE(at.clock)];
  if (clock === undefined) throw new Error("a damaged session file: impossible clock");
  const lock = header.readUInt32LE(at.consumer_lock);
  return {
    pid: header.readUInt32LE(at.pid),
    processStart: header.readBigUInt64LE(at.process_start),
    mode,
    clock,
    program: readText(header, "program"),
    traceDir: readText(header, "trace_dir"),
    enable: readRules(header),
    recorder: header.readUInt32LE(at.recorder),
    startedAtNs: header.readBigUInt64LE(at.base_realtime_ns),
    finished: header.readUInt32LE(at.state) !== 0,
    consumerPid: lock & 0x3fffffff,
    consumerDied: (lock & 0x40000000) !== 0,
    recordsWritten: header.readBigUInt64LE(at.records_written),
    discardedTold: header.readBigUInt64LE(at.discarded_told),
    dropped: header.readBigUInt64LE(at.dropped),
    bytesWritten: header.readBigUInt64LE(at.bytes_written),
    chunk: Number(
      header.readBigUInt64LE(at.chunks + (header.readUInt32LE(at.chunks_current) & 1) * CHUNKS_BYTES),
    ),
    alteredValues: header.readUInt32LE(at.altered_values),
    ringlessDiscarded: header.readBigUInt64LE(at.ringless_discarded),
    streams: header.readUInt32LE(at.streams),
    flushDone: header.readUInt32LE(at.flush_done),
    writeErrno: header.readUInt32LE(at.write_errno),
  };
}

/** What stands in the way of a consumer's writing, to put behind a sentence: ": no space left on device", or nothing. */
export function writeErrorText({ writeErrno }: SessionInfo): string {
  if (writeErrno === 0) return "";
  // Required here: a traced program's start does without it.
  const { getSystemErrorMessage } = require("node:util") as typeof import("node:util");
  return `: ${getSystemErrorMessage(-writeErrno)}`;
}

function readText(header: Buffer, field: keyof typeof TEXT_BYTES): string {
  const start = SESSION_OFFSETS[field];
  const bytes = header.subarray(start, start + TEXT_BYTES[field]);
  const end = bytes.indexOf(0);
  if (end < 0) throw new Error(`a damaged session file: ${field} does not end`);
  return bytes.toString("utf8", 0, end);
}

/** What a header names an event type: its name and level. */
export function readEventEntry(entry: Buffer): { name: string; level: number } {
  const end = entry.indexOf(0, 16);
  return { name: entry.toString("utf8", 16, end < 0 ? entry.length : end), level: entry[8] ?? 0 };
}

/**
 * The header's rules with one more, as bytes to write at the field's place.
 * @throws Error when there is no room for it.
 */
export function addRule(header: Buffer, rule: string): Buffer {
  const before = readText(header, "enable")
    .split(",")
    .filter((one) => one !== "" && one.replace("!", "") !== rule.replace("!", ""));
  const bytes = Buffer.alloc(TEXT_BYTES.enable);
  // No rule means all; with a first rule that has to be said.
  const rules = before.length === 0 ? ["*", rule] : [...before, rule];
  if (bytes.write(`${rules.join(",")}\0`) < Buffer.byteLength(rules.join(",")) + 1)
    throw new Error("there is no room for another rule in the session; use wider globs");
  return bytes;
}

/** Positions in the file of a session's rings. */
export function ringsOf(header: Buffer): number[] {
  const at = SESSION_OFFSETS;
  const count = Math.min(header.readUInt32LE(at.ring_count), MAX_RINGS);
  const bytes = Number(header.readBigUInt64LE(at.sub_buffer_size)) * header.readUInt32LE(at.sub_buffers);
  if (bytes > GEOMETRY.maxRingBytes) return [];
  return Array.from({ length: count }, (_, i) => RINGS_AT + i * (HEADER_BYTES + bytes));
}

/** Offsets in a ring's control block (struct bt_ring). */
export const RING_OFFSETS = {
  state: 0,
  tid: 4,
  published: 64,
  discarded: 80,
  waiting: 140,
  current: 144,
  progress: 192,
} as const;
const PROGRESS_BYTES = 336;

/** What a ring's counters say beyond what its packets have told. */
export function ringCounters(ring: Buffer): {
  active: boolean;
  pendingRecords: number;
  pendingDiscarded: number;
} {
  const at = RING_OFFSETS;
  const state = ring.readUInt32LE(at.state);
  if (state !== 2 && state !== 3) return { active: false, pendingRecords: 0, pendingDiscarded: 0 };
  const progress = at.progress + (ring.readUInt32LE(at.current) & 1) * PROGRESS_BYTES;
  const told = ring.readBigUInt64LE(progress + 16);
  const recorded = ring.readBigUInt64LE(progress + 24);
  const published = ring.readBigUInt64LE(at.published) >> 33n;
  return {
    active: state === 2,
    pendingRecords: Number((published - recorded) & 0x7fffffffn),
    pendingDiscarded: Math.max(0, Number(ring.readBigUInt64LE(at.discarded) - told)),
  };
}
