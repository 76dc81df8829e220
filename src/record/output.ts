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
  renameSync,
  rmSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";

/** The output when none is named. */
export const DEFAULT_OUTPUT = "buntrace.data";

/** What a text metadata file starts with (CTF 1.8.3, 7). */
const METADATA_START = "/* CTF 1.8 */";

/** More processes of one name and id than this in one output is a mistake. */
const MAX_SAME_NAME = 1000;

/**
 * Makes the output directory, empty. A recording that is there is moved to
 * `.old`, over the one before; anything else is left alone.
 * @returns its absolute path.
 * @throws Error with one line: what is in the way, or the system's reason.
 */
export function prepareOutput(output: string): string {
  const path = resolve(output);
  if (lstatSync(path, { throwIfNoEntry: false })) {
    refuseForeign(path);
    if (readdirSync(path).length > 0) {
      const old = `${path}.old`;
      if (lstatSync(old, { throwIfNoEntry: false })) {
        refuseForeign(old);
        rmSync(old, { recursive: true });
      }
      renameSync(path, old);
    }
  }
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new Error(`output ${path} cannot be made: ${reason(error)}`);
  }
  return path;
}

/** Refuses a path that is there and is no recording: it must not be moved or removed. */
function refuseForeign(path: string): void {
  if (lstatSync(path).isSymbolicLink())
    throw new Error(`output ${path} is a symbolic link; name the directory itself`);
  if (!isRecording(path))
    throw new Error(`output ${path} exists and is no buntrace recording; name another with -o`);
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
  if (!existsSync(metadata)) return readdirSync(path).length === 0;
  const start = Buffer.alloc(METADATA_START.length);
  const file = openSync(metadata, "r");
  try {
    readSync(file, start);
  } finally {
    closeSync(file);
  }
  return start.toString("latin1") === METADATA_START;
}

/**
 * Makes this process's trace directory, `PROGRAM-PID`, inside the output.
 * @throws Error with one line and the system's reason.
 */
export function makeTraceDir(output: string, program: string): string {
  const base = join(output, `${program}-${process.pid}`);
  for (let n = 1; n <= MAX_SAME_NAME; n++) {
    const path = n === 1 ? base : `${base}-${n}`;
    try {
      mkdirSync(path);
      return path;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST"))
        throw new Error(`trace directory ${path} cannot be made: ${reason(error)}`);
    }
  }
  throw new Error(`trace directory ${base} and ${MAX_SAME_NAME} like it exist; name another output`);
}

/** The program's name as file names and headers show it. */
export function programName(): string {
  const script = process.argv[1];
  const path =
    script !== undefined && !script.startsWith("/$bunfs/")
      ? script
      : process.argv[0] === "bun"
        ? process.execPath
        : (process.argv[0] ?? process.execPath);
  const name = basename(path)
    .replace(/\.[cm]?[jt]sx?$/, "")
    .replace(/[^A-Za-z0-9._-]/g, "_")
    .replace(/^\.+/, "_");
  return name.slice(0, 64) || "bun";
}

/** The system's words for a failed call, without the call. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return /^([A-Z0-9]+: [^,]*)/.exec(error.message)?.[1] ?? error.message;
}
