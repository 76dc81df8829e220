/**
 * The session of a process: opens it (session file, metadata, consumer), attaches
 * threads to it, flushes and closes it. Runs in the traced process; the main
 * thread opens, any thread may attach.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { metadataHead } from "../ctf/metadata-writer.ts";
import { parseGlobs } from "./glob.ts";
import { address, cString, type Native, viewOf } from "./native.ts";
import { makeTraceDir, prepareOutput, programName, reason } from "./output.ts";
import { ensureSessionDir, findSessions, sessionPath } from "./session-dir.ts";
import { HEADER_BYTES, newHeader, readHeader, SESSION_OFFSETS, type SessionInfo } from "./session-file.ts";
import { checkOptions, type RecordSettings, type SessionOptions, type Settings } from "./settings.ts";
import { attach, detach, native, thread } from "./thread.ts";

/** How long `flush` and `close` wait for the consumer, milliseconds: a slow disk's, not a dead one's. */
const CONSUMER_TIMEOUT_MS = 10_000;

/** An open recording. Close it, or let the process end: either way nothing emitted is lost. */
export interface Session extends AsyncDisposable {
  /** False where nothing is recorded: an unsupported platform. */
  readonly recording: boolean;
  /** Absolute path of this process's trace, undefined where nothing is written. */
  readonly traceDir: string | undefined;
  /** What the session has recorded so far. */
  info(): SessionInfo | undefined;
  /** Resolves when all that was emitted before is in the trace's files. */
  flush(): Promise<void>;
  /** Ends the recording; resolves when the trace is complete. A session that somebody else opened goes on. */
  close(): Promise<void>;
}

/** The session that is open in this process, as this thread sees it. */
interface OpenSession {
  readonly native: Native;
  readonly header: Buffer;
  readonly toDisk: boolean;
}

function current(): OpenSession | undefined {
  return thread.session as OpenSession | undefined;
}

let warned = false;

/** One line, once a thread: recording is not possible, the program goes on. */
export function warnOnce(text: string): void {
  if (warned) return;
  warned = true;
  console.error(`buntrace: ${text}; nothing is recorded`);
}

/**
 * Opens a session, or joins the one that is open in this process (under
 * `buntrace record`, or in a Worker). Where the platform is not supported it warns
 * once and returns a session that records nothing.
 * @throws Error with one line when an option, the output or the session directory is not usable.
 */
export function openSessionSync(options: SessionOptions = {}): Session {
  const settings = checkOptions(options);
  const loaded = native();
  if (typeof loaded === "string") {
    warnOnce(loaded);
    return handle(undefined, false);
  }
  if (attachThread(loaded)) return handle(current(), false);
  const output = settings.output === undefined ? undefined : prepareOutput(settings.output);
  createSession(loaded, settings, output, 0);
  attachThread(loaded);
  return handle(current(), true);
}

/** As {@link openSessionSync}; for `await using`. */
export async function openSession(options?: SessionOptions): Promise<Session> {
  return openSessionSync(options);
}

/**
 * Opens the session of a process that `buntrace record` started, in the output
 * that it has prepared.
 * @throws Error as `openSession` does.
 */
export function openRecordedSession(options: RecordSettings): void {
  const settings = checkOptions(options);
  const loaded = native();
  if (typeof loaded === "string") return warnOnce(loaded);
  if (attachThread(loaded)) return;
  createSession(loaded, settings, settings.output, options.recorder);
  attachThread(loaded);
}

/**
 * Attaches the calling thread to the process's session.
 * @returns whether there is one.
 */
export function attachThread(loaded: Native): boolean {
  const session = address(loaded.shim.bt_session());
  if (session === null) return false;
  const header = Buffer.from(viewOf(session, HEADER_BYTES));
  const info = readHeader(header);
  attach(loaded, parseGlobs(info.enable));
  thread.session = { native: loaded, header, toDisk: info.traceDir !== "/" } satisfies OpenSession;
  return true;
}

/** Makes the trace directory, its metadata and the session file, and starts the consumer. */
function createSession(
  { shim, consumerPath }: Native,
  settings: Settings,
  output: string | undefined,
  recorder: number,
): void {
  const sessionDir = ensureSessionDir(settings.sessionDir);
  const processStart = startOfProcess();
  finishSessionsBeforeExec(sessionDir, processStart);
  const program = programName();
  const traceDir = output === undefined ? "/" : makeTraceDir(output, program);
  const uuid = crypto.getRandomValues(new Uint8Array(16));
  const header = newHeader({
    mode: settings.mode,
    clock: settings.clock,
    toDisk: output !== undefined,
    subBuffers: settings.subBuffers,
    subBufferBytes: settings.subBufferSize,
    flushPeriodMs: settings.flushPeriod,
    blockTimeoutMs: settings.blockTimeout,
    uuid,
    program,
    traceDir,
    consumerPath,
    enable: settings.enable,
    recorder,
    processStart,
  });
  shim.bt_clock_start(header);
  if (output !== undefined) {
    try {
      writeMetadata(join(traceDir, "metadata"), header, uuid, program, shim.bt_clock_frequency(header));
    } catch (error) {
      throw new Error(`the trace ${traceDir} cannot be written: ${reason(error)}`);
    }
  }
  const path = sessionPath(sessionDir, uuid);
  const created = shim.bt_create(cString(path), header);
  if (created < 0)
    throw new Error(
      `session file ${path} cannot be made: ${errnoText(created)}${created === -28 ? "; name a directory with room with --session-dir, or use smaller sub-buffers" : ""}`,
    );
  const started = shim.bt_start_consumer();
  if (started < 0) {
    rmSync(path, { force: true });
    throw new Error(`the consumer ${consumerPath} cannot be started: ${errnoText(started)}`);
  }
}

function writeMetadata(
  path: string,
  header: Buffer,
  uuid: Uint8Array,
  program: string,
  frequency: number,
): void {
  const cycles = header.readUInt32LE(SESSION_OFFSETS.clock) === 0;
  const { text, clockTextAt } = metadataHead({
    uuid,
    env: {
      domain: "ust",
      tracer_name: "buntrace",
      tracer_major: 0,
      tracer_minor: 1,
      program,
      pid: process.pid,
      bun_version: Bun.version,
      architecture: process.arch,
    },
    frequency,
    baseRealtimeNs: header.readBigUInt64LE(SESSION_OFFSETS.base_realtime_ns),
    clockDescription: cycles
      ? "processor cycle counter since the session began"
      : "CLOCK_MONOTONIC since the session began",
  });
  header.writeBigUInt64LE(BigInt(clockTextAt), SESSION_OFFSETS.clock_text_at);
  writeFileSync(path, text, { flag: "wx" });
}

/** Field 22 of /proc/self/stat: when the process started; an exec keeps it. */
function startOfProcess(): bigint {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const field = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return BigInt(field ?? 0);
}

/**
 * A program that replaced itself (`bun --watch` restarts with execve) has the same
 * pid: the consumer of its life before waits for a death that does not come.
 */
function finishSessionsBeforeExec(sessionDir: string, processStart: bigint): void {
  for (const { info } of findSessions(sessionDir, process.pid)) {
    if (info.processStart !== processStart || info.finished || info.consumerDied || info.consumerPid === 0)
      continue;
    try {
      process.kill(info.consumerPid, "SIGTERM");
    } catch {
      // It finished meanwhile.
    }
  }
}

const ERRNO_TEXT: Record<number, string> = {
  1: "not permitted",
  2: "no such file or directory",
  12: "out of memory",
  13: "permission denied",
  22: "invalid argument",
  28: "no space left on device",
  30: "read-only file system",
  36: "name too long",
};

function errnoText(negative: number): string {
  return ERRNO_TEXT[-negative] ?? `errno ${-negative}`;
}

/** Polls until `done`, with growing pauses. */
async function until(done: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + CONSUMER_TIMEOUT_MS;
  for (let pause = 0.2; !done(); pause = Math.min(pause * 1.5, 20)) {
    if (performance.now() > deadline)
      throw new Error(`the consumer did not ${what} within ${CONSUMER_TIMEOUT_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Resolves when all that was emitted before is in the trace's files; at once when nothing is recorded. */
export async function flush(): Promise<void> {
  const open = current();
  if (!open) return;
  const request = open.native.shim.bt_flush();
  const at = SESSION_OFFSETS.flush_done;
  // Signed difference: the 32-bit numbers wrap.
  await until(() => (open.header.readUInt32LE(at) - request) << 1 >= 0 || isFinished(open), "flush");
}

function isFinished(open: OpenSession): boolean {
  return open.header.readUInt32LE(SESSION_OFFSETS.state) !== 0;
}

function handle(open: OpenSession | undefined, ours: boolean): Session {
  const close = async (): Promise<void> => {
    if (!open || !ours || thread.session !== open) return;
    detach();
    thread.session = undefined;
    open.native.shim.bt_stop();
    await until(() => isFinished(open), "finish");
  };
  return {
    recording: open !== undefined,
    traceDir: open?.toDisk ? readHeader(open.header).traceDir : undefined,
    info: () => (open ? readHeader(open.header) : undefined),
    flush: () => (open && thread.session === open ? flush() : Promise.resolve()),
    close,
    [Symbol.asyncDispose]: close,
  };
}
