/**
 * Where traces go: the output directory, with one CTF trace a process inside.
 * Called by the command before it starts a program, and in the traced process
 * when it opens a session.
 */
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { join, relative, resolve, sep } from "node:path";

import { isRunning } from "./process.ts";
import { findSessions } from "./session-dir.ts";

/** What a text metadata file starts with (CTF 1.8.3, 7). */
const METADATA_START = "/* CTF 1.8 */";

/** What metadata is called until it is whole (shim/create.c). */
const UNFINISHED = new Set([".metadata", "metadata.new"]);

/** An output directory, made and empty. */
export interface PreparedOutput {
  /** Absolute. */
  readonly path: string;
  /** Whether a recording was there and is in `.old` now. */
  readonly moved: boolean;
}

/**
 * Makes the output directory, empty. A recording that is there is moved to
 * `.old`, over the one before, unless a program still writes to one of them; anything
 * else is left alone.
 * @param sessionDir where the sessions of running programs are looked for.
 * @throws Error with one line: what is in the way, or the system's reason.
 */
export function prepareOutput(output: string, sessionDir: string): PreparedOutput {
  const path = resolve(output);
  try {
    const there = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    const moved = there && moveToOld(path, sessionDir);
    mkdirSync(path, { recursive: true });
    return { path, moved };
  } catch (error) {
    throw error instanceof Error && "code" in error
      ? new Error(`output ${path} cannot be made: ${reason(error)}; name another with -o`)
      : error;
  }
}

/** Puts the recording that was moved to `.old` back where nothing was recorded over it. */
export function restoreOutput({ path, moved }: PreparedOutput): void {
  if (!moved) return;
  try {
    rmdirSync(path);
    renameSync(`${path}.old`, path);
  } catch {
    // Something is in it by now, or somebody moved the other: both stay.
  }
}

/**
 * As {@link prepareOutput}, for the snapshots on errors of programs that write to `output`.
 * @throws Error when one directory is in the other, too.
 */
export function prepareSnapshots(dir: string, output: string, sessionDir: string): PreparedOutput {
  const contains = (outer: string, inner: string): boolean =>
    !/^\.\.(?:\/|$)/.test(relative(resolve(outer), resolve(inner)));
  if (contains(output, dir) || contains(dir, output))
    throw new Error(`snapshotOnError ${dir} and output ${output} must not be one in the other`);
  return prepareOutput(dir, sessionDir);
}

/** Returns whether there was anything to move. */
function moveToOld(path: string, sessionDir: string): boolean {
  refuseForeign(path);
  if (readdirSync(path).length === 0) return false;
  refuseInUse(path, sessionDir);
  const old = `${path}.old`;
  if (lstatSync(old, { throwIfNoEntry: false })) {
    refuseForeign(old);
    refuseInUse(old, sessionDir);
    rmSync(old, { recursive: true });
  }
  renameSync(path, old);
  return true;
}

/** Refuses a path that is there and is no recording: it must not be moved or removed. */
function refuseForeign(path: string): void {
  if (lstatSync(path).isSymbolicLink())
    throw new Error(`output ${path} is a symbolic link; name the directory itself`);
  if (!isRecording(path))
    throw new Error(`output ${path} exists and is no buntrace recording; name another with -o`);
}

/** Refuses a recording that a running program writes to: it would lose its trace. */
function refuseInUse(path: string, sessionDir: string): void {
  const below = realpathSync(path) + sep;
  for (const { info } of findSessions(sessionDir)) {
    // Its own is that of its life before execve, which is about to be finished.
    if (info.finished || info.pid === process.pid || !isRunning(info.pid, info.processStart)) continue;
    if (!existsSync(info.traceDir) || !realpathSync(info.traceDir).startsWith(below)) continue;
    throw new Error(
      `output ${path}: ${info.program} (pid ${info.pid}) is being recorded there; name another with -o`,
    );
  }
}

/** Whether a directory holds traces and nothing else; an empty one does. */
export function isRecording(path: string): boolean {
  try {
    return readdirSync(path, { withFileTypes: true }).every(
      (entry) => entry.isDirectory() && isTrace(join(path, entry.name)),
    );
  } catch {
    return false;
  }
}

function isTrace(path: string): boolean {
  const metadata = join(path, "metadata");
  // A program that was killed at once leaves nothing, or what was to be its metadata.
  if (!existsSync(metadata)) return readdirSync(path).every((name) => UNFINISHED.has(name));
  const start = Buffer.alloc(METADATA_START.length);
  const file = openSync(metadata, "r");
  try {
    readSync(file, start);
  } finally {
    closeSync(file);
  }
  return start.toString("latin1") === METADATA_START;
}

/** The system's words for a failed call, without the call. */
function reason(error: Error): string {
  return /^([A-Z0-9]+: [^,]*)/.exec(error.message)?.[1] ?? error.message;
}
