/**
 * The session of a process: opens it (session file, metadata, consumer), attaches
 * threads to it, flushes and closes it. Runs in the traced process; the main
 * thread opens, any thread may attach.
 */
import { isWord } from "../ctf/fields.ts";
import { metadataHead } from "../ctf/metadata-writer.ts";
import { parseRules } from "./glob.ts";
import { nameThread } from "./name.ts";
import { address, cString, ERROR_BYTES, type Native, textOf, viewOf } from "./native.ts";
import {
  HEADER_BYTES,
  newHeader,
  readHeader,
  readRules,
  SESSION_OFFSETS,
  type SessionInfo,
  writeErrorText,
} from "./session-file.ts";
import {
  checkOptions,
  checkTypes,
  type RecordSettings,
  type SessionOptions,
  type Settings,
} from "./settings.ts";
import type { SnapshotResult } from "./snapshot.ts";
import { attach, detach, native, thread } from "./thread.ts";
import { watchErrors } from "./uncaught.ts";
import { handSessionOn } from "./worker-options.ts";

/** How long `flush` and `close` wait for the consumer, milliseconds: a slow disk's, not a dead one's. */
const CONSUMER_TIMEOUT_MS = 10_000;

/** How long `flush` waits for a consumer before it asks again, milliseconds. */
const ASK_AGAIN_MS = 100;

/** Room for a session file's path (shim.h). */
const PATH_BYTES = 1024;

/** Longer names of programs are cut: they become parts of file names. */
const MAX_PROGRAM_NAME = 64;

/** What a program's file name has behind its name. */
const PROGRAM_EXTENSIONS = ["js", "ts", "mjs", "mts", "cjs", "cts", "jsx", "tsx", "exe"];

/** An open recording, opened or joined. Close it, or let the process end: either way nothing emitted is lost. */
export interface Session extends AsyncDisposable {
  /** False where nothing is recorded: an unsupported platform. */
  readonly recording: boolean;
  /** True where the session was open already: the options had no effect, and `close` does not end it. */
  readonly joined: boolean;
  /** Absolute path of this process's trace, undefined where nothing is written. */
  readonly traceDir: string | undefined;
  /** What the session has recorded so far. */
  info(): SessionInfo | undefined;
  /** Resolves when all that was emitted before is in the trace's files. */
  flush(): Promise<void>;
  /**
   * Writes what the rings hold now as a trace of its own; the recording goes on.
   * @param output a directory, made as `openSession`'s is; default "buntrace.snapshot".
   * @returns undefined where nothing is recorded.
   * @throws Error with one line when the output is not usable.
   */
  snapshot(output?: string): SnapshotResult | undefined;
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
 * `buntrace record`, in a Worker, or because it was opened before): then the options have no
 * effect, which it warns of once where they ask for something else. Where the platform is not supported it warns
 * once and returns a session that records nothing.
 * @throws Error with one line when an option, the output or the session directory is not usable.
 */
export function openSessionSync(options: SessionOptions = {}): Session {
  checkTypes(options);
  const settings = checkOptions(options);
  const loaded = native();
  if (typeof loaded === "string") {
    warnOnce(loaded);
    return handle(undefined, false);
  }
  if (attachThread(loaded)) {
    warnOfOther(options, current());
    return handle(current(), false);
  }
  // Required here: a program under `record` must not wait for node:fs to load.
  const { prepareOutput, prepareSnapshots } = require("./output.ts") as typeof import("./output.ts");
  const output =
    settings.output === undefined ? undefined : prepareOutput(settings.output, settings.sessionDir).path;
  const snapshots =
    settings.snapshotOnError === undefined || output === undefined
      ? undefined
      : prepareSnapshots(settings.snapshotOnError, output, settings.sessionDir).path;
  createSession(loaded, settings, output, 0);
  handSessionOn();
  attachThread(loaded);
  takeSnapshotsOnError(snapshots);
  return handle(current(), true);
}

let warnedOfOther = false;

/** One line where a program asks for another session than the one it joins; what `record` was asked for comes first. */
function warnOfOther(asked: SessionOptions, open: OpenSession | undefined): void {
  if (!open || warnedOfOther || open.header.readUInt32LE(SESSION_OFFSETS.recorder) !== 0) return;
  if (Object.keys(asked).length === 0) return;
  const { differences } = require("./joined.ts") as typeof import("./joined.ts");
  const takesSnapshots = thread.onError !== undefined;
  const found = differences(asked, { ...open, path: sessionPath(open), takesSnapshots });
  if (found.length === 0) return;
  warnedOfOther = true;
  console.error(
    `buntrace: openSession joins the session that is open in this process, with ${found.join(", ")}`,
  );
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
  takeSnapshotsOnError(settings.snapshotOnError);
}

/** From now on, while the session is open; in this thread and the Workers it makes. @param dir exists; undefined: none are asked for. */
function takeSnapshotsOnError(dir: string | undefined): void {
  const open = current();
  if (!open || dir === undefined) return;
  const { snapshotsOnError } = require("./snapshot.ts") as typeof import("./snapshot.ts");
  const take = snapshotsOnError(open.native, sessionPath(open), readHeader(open.header).traceDir, dir);
  thread.onError = () => {
    if (thread.session === open && !isFinished(open)) take();
  };
  watchErrors();
  process.env[SESSION_VARIABLE] = `${process.pid} ${dir}`;
}

function sessionPath({ native: { steer } }: OpenSession): string {
  const path = Buffer.alloc(PATH_BYTES);
  steer.bt_session_path(path);
  return textOf(path);
}

/**
 * Attaches the calling thread to the process's session.
 * @returns whether there is one.
 */
export function attachThread(loaded: Native): boolean {
  const session = address(loaded.shim.bt_session());
  if (session === null) return false;
  // One object a session: its opener's handle still finds it when others join.
  const open = current();
  if (open && !isFinished(open)) return true;
  const header = viewOf(session, HEADER_BYTES);
  // Read anew for each event type: others may have changed the rules. Most sessions have none, and then all are on.
  attach(
    loaded,
    (name, level) => header[SESSION_OFFSETS.enable] === 0 || parseRules(readRules(header))(name, level),
  );
  nameThread(Bun.isMainThread ? "main" : workerName());
  thread.session = {
    native: loaded,
    header,
    toDisk: header.readUInt32LE(SESSION_OFFSETS.output) === 0,
  } satisfies OpenSession;
  return true;
}

/** A Worker's own name (`new Worker(file, { name })`), where it has one. */
function workerName(): string {
  const { name } = globalThis as { name?: unknown };
  return typeof name === "string" && name !== "" ? name : "worker";
}

/** Makes the trace directory with its metadata and the session file, and starts the consumer. */
function createSession(
  { shim, consumerPath }: Native,
  settings: Settings,
  output: string | undefined,
  recorder: number,
): void {
  const program = programName();
  const uuid = new Uint8Array(16);
  shim.bt_random_uuid(uuid);
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
    consumerPath,
    enable: settings.enable,
    recorder,
    limits: settings,
  });
  const { before, after } = metadataHead(uuid, {
    domain: "ust",
    tracer_name: "buntrace",
    tracer_major: 0,
    tracer_minor: 1,
    program,
    pid: process.pid,
    bun_version: Bun.version,
    architecture: process.arch,
  });
  const error = Buffer.alloc(ERROR_BYTES);
  const made = shim.bt_create(
    cString(settings.sessionDir),
    cString(output ?? ""),
    header,
    cString(before),
    cString(after),
    error,
  );
  if (made !== 0) throw new Error(textOf(error));
  process.env[SESSION_VARIABLE] = String(process.pid);
}

/** The program's name as file names and headers show it. */
function programName(): string {
  const script = process.argv[1];
  // In a program made by `bun build --compile` the script is inside the executable.
  const path = script === undefined || script.startsWith("/$bunfs/") ? process.execPath : script;
  let name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  if (dot >= 0 && PROGRAM_EXTENSIONS.includes(name.slice(dot + 1))) name = name.slice(0, dot);
  // No hidden files.
  let shown = "";
  let i = 0;
  for (; name[i] === "."; i++) shown = "_";
  for (; i < name.length && shown.length < MAX_PROGRAM_NAME; i++)
    shown += isWord(name.charAt(i), "._-", 1) ? name.charAt(i) : "_";
  return shown || "bun";
}

/**
 * Names the process whose session Workers join, in the environment that they inherit:
 * a Worker has a global object of its own, and no library is loaded to ask where
 * nothing is traced. Behind a space follows the directory of snapshots on errors, if any.
 */
const SESSION_VARIABLE = "BUNTRACE_SESSION";

/** Whether this process has opened a session; it may be over. */
export function sessionWasOpened(): boolean {
  return process.env[SESSION_VARIABLE]?.split(" ", 1)[0] === String(process.pid);
}

/** A Worker joins the session of its process when it loads the library. */
function joinInWorker(): void {
  if (Bun.isMainThread || thread.attached || !sessionWasOpened()) return;
  const loaded = native();
  if (typeof loaded === "string" || !attachThread(loaded)) return;
  takeSnapshotsOnError(process.env[SESSION_VARIABLE]?.slice(`${process.pid} `.length) || undefined);
}

/** Polls until `done`, with growing pauses. */
async function until(done: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + CONSUMER_TIMEOUT_MS;
  for (let pause = 0.2; !done(); pause = Math.min(pause * 1.5, 20)) {
    if (performance.now() > deadline) {
      const open = current();
      const why = open ? writeErrorText(readHeader(open.header)) : "";
      throw new Error(`the consumer did not ${what} within ${CONSUMER_TIMEOUT_MS / 1000} s${why}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Resolves when all that was emitted before is in the trace's files; at once when nothing is recorded. */
export async function flush(): Promise<void> {
  const open = current();
  if (!open) return;
  const request = open.native.shim.bt_flush();
  const at = SESSION_OFFSETS.flush_done;
  let asked = performance.now();
  await until(() => {
    // Signed difference: the 32-bit numbers wrap.
    if ((open.header.readUInt32LE(at) - request) << 1 >= 0 || isFinished(open)) return true;
    // Nobody heard it where the consumer has died; asking starts another one.
    if (performance.now() - asked > ASK_AGAIN_MS) {
      asked = performance.now();
      open.native.shim.bt_flush();
    }
    return false;
  }, "flush");
}

function isFinished(open: OpenSession): boolean {
  return open.header.readUInt32LE(SESSION_OFFSETS.state) !== 0;
}

function handle(open: OpenSession | undefined, ours: boolean): Session {
  const close = async (): Promise<void> => {
    if (!open || !ours || thread.session !== open) return;
    detach();
    thread.session = undefined;
    // Told again and again: the consumer may not be up yet, or die and another take over.
    await until(() => isFinished(open) || open.native.shim.bt_stop() > 0, "finish");
  };
  return {
    recording: open !== undefined,
    joined: open !== undefined && !ours,
    traceDir: open?.toDisk ? readHeader(open.header).traceDir : undefined,
    info: () => (open ? readHeader(open.header) : undefined),
    snapshot: (output) => {
      if (!open || thread.session !== open) return undefined;
      const { takeSnapshot } = require("./snapshot.ts") as typeof import("./snapshot.ts");
      return takeSnapshot(open.native, sessionPath(open), readHeader(open.header).traceDir, output);
    },
    flush: () => (open && thread.session === open ? flush() : Promise.resolve()),
    close,
    [Symbol.asyncDispose]: close,
  };
}

joinInWorker();
