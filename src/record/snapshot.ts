/**
 * Snapshots: what the rings of a session hold now, as a trace of its own, while the
 * program runs on. Called in the traced process (`session.snapshot()`, uncaught errors) and in the
 * command's (`buntrace snapshot`); the copying is shim/steer.c's.
 */
import { lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { cString, ERROR_BYTES, type Native, textOf } from "./native.ts";
import { prepareOutput } from "./output.ts";

/** Where snapshots go when nothing else is said. */
export const DEFAULT_SNAPSHOT_OUTPUT = "buntrace.snapshot";

/** What a snapshot came to. */
export interface SnapshotResult {
  /** Absolute path of the trace. */
  readonly traceDir: string;
  readonly events: number;
  /** Events of the session that are not in it: overwritten, or never stored. */
  readonly discarded: number;
  readonly bytes: number;
  readonly streams: number;
  /** Sub-buffers that were written over while they were copied: their events are among the discarded. */
  readonly dropped: number;
}

/**
 * Writes a snapshot.
 * @param sessionPath the session file.
 * @param traceDir the session's own trace: its metadata describes the snapshot, too.
 * @throws Error with one line when the session or the output is not usable.
 */
export function takeSnapshot(
  native: Native,
  sessionPath: string,
  traceDir: string,
  output: string = DEFAULT_SNAPSHOT_OUTPUT,
): SnapshotResult {
  return writeSnapshot(native, sessionPath, traceDir, () => {
    const dir = join(prepareOutput(output, dirname(sessionPath)).path, basename(traceDir));
    mkdirSync(dir);
    return dir;
  });
}

/**
 * Most snapshots on errors of a process, the first ones: later errors are often the
 * consequences, and one that comes again and again must not fill the disk.
 */
const MAX_ERROR_SNAPSHOTS = 10;

/**
 * What takes a snapshot into a directory of its own at every call, until the process has
 * {@link MAX_ERROR_SNAPSHOTS}; it never throws. The first one of the process, and the first
 * of this thread that fails, are said on stderr.
 * @param dir of all of them; it exists.
 */
export function snapshotsOnError(
  native: Native,
  sessionPath: string,
  traceDir: string,
  dir: string,
): () => void {
  let number = 0;
  let failed = false;
  /** Other threads take theirs: which numbers there are is told by the directories. */
  const next = (): string | undefined => {
    while (number < MAX_ERROR_SNAPSHOTS) {
      const path = join(dir, `${basename(traceDir)}-${++number}`);
      try {
        mkdirSync(path);
        return path;
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      }
    }
    return undefined;
  };
  return () => {
    let path: string | undefined;
    try {
      path = next();
      if (path === undefined) return;
      const made = path;
      writeSnapshot(native, sessionPath, traceDir, () => made);
      if (number === 1)
        say(
          `an uncaught error: snapshot -> ${path}; the first ${MAX_ERROR_SNAPSHOTS} of this process are kept`,
        );
    } catch (error) {
      if (path !== undefined) rmSync(path, { recursive: true, force: true });
      if (!failed)
        say(`no snapshot of an uncaught error: ${error instanceof Error ? error.message : String(error)}`);
      failed = true;
    }
  };
}

/** Not by `console` or `process.stderr`, which are the program's to replace. */
function say(text: string): void {
  try {
    writeSync(2, `buntrace: ${text}\n`);
  } catch {
    // It is closed, or full.
  }
}

/** @param place makes the directory, once it is sure that there will be a snapshot. */
function writeSnapshot(
  { steer }: Native,
  sessionPath: string,
  traceDir: string,
  place: () => string,
): SnapshotResult {
  if (traceDir === "/") throw new Error("a session with output null has no metadata; record to a directory");
  const metadata = join(traceDir, "metadata");
  // The header may name anything: a pipe would be waited for.
  if (!lstatSync(metadata).isFile()) throw new Error(`${metadata} is not a file`);
  const dir = place();
  const numbers = new Float64Array(6);
  const error = Buffer.alloc(ERROR_BYTES);
  if (steer.bt_snapshot(cString(sessionPath), cString(dir), numbers, error) !== 0)
    throw new Error(textOf(error));
  // After the rings: whatever they hold was declared before it was emitted.
  const [events = 0, discarded = 0, bytes = 0, streams = 0, dropped = 0, time = 0] = numbers;
  const text = completeUntil(wholeBlocks(readFileSync(metadata, "latin1")), time);
  writeFileSync(join(dir, "metadata"), text, "latin1");
  return { traceDir: dir, events, discarded, bytes, streams, dropped };
}

/** Metadata that says how far the trace goes (shim/clock.h). */
function completeUntil(metadata: string, time: number): string {
  return metadata.replace(/(\bcomplete_until = )[ 0-9]{20};/, `$1${String(time).padStart(20)};`);
}

/** Metadata without the declaration that may be half written at its end. */
function wholeBlocks(metadata: string): string {
  return metadata.slice(0, metadata.lastIndexOf("};\n") + 3);
}
