/**
 * The directory of session files: private to its user, on tmpfs unless another is
 * named. Called in the traced process when a session opens and by the command to
 * find sessions.
 */
import { closeSync, fstatSync, lstatSync, mkdirSync, openSync, readdirSync, readSync } from "node:fs";
import { join, resolve } from "node:path";

import { reason } from "./output.ts";
import { HEADER_BYTES, readHeader, type SessionInfo } from "./session-file.ts";

const SUFFIX = ".session";

/** The session directory when none is named: on tmpfs, one a user. */
export function defaultSessionDir(): string {
  return process.env["BUNTRACE_SESSION_DIR"] ?? `/dev/shm/buntrace-${process.getuid?.() ?? 0}`;
}

/**
 * Makes sure that the directory exists, is the user's own and closed to others.
 * @returns its absolute path.
 * @throws Error with one line: what is wrong with it.
 */
export function ensureSessionDir(dir: string): string {
  const path = resolve(dir);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST"))
      throw new Error(`session directory ${path} cannot be made: ${reason(error)}`);
  }
  const stat = lstatSync(path);
  if (!stat.isDirectory())
    throw new Error(`session directory ${path} is not a directory (a link is refused)`);
  if (stat.uid !== process.getuid?.())
    throw new Error(`session directory ${path} belongs to another user (uid ${stat.uid})`);
  if ((stat.mode & 0o077) !== 0)
    throw new Error(
      `session directory ${path} is open to others (mode ${(stat.mode & 0o777).toString(8)}); run chmod 700 on it`,
    );
  return path;
}

/** The path of a new session file of this process. */
export function sessionPath(dir: string, uuid: Uint8Array): string {
  return join(dir, `${process.pid}-${Buffer.from(uuid.subarray(0, 4)).toString("hex")}${SUFFIX}`);
}

/** A session file and what it says. */
export interface FoundSession {
  readonly path: string;
  readonly info: SessionInfo;
}

/** The readable session files in a directory, of one process or of all; others are passed over. */
export function findSessions(dir: string, pid?: number): FoundSession[] {
  const found: FoundSession[] = [];
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch {
    return found;
  }
  for (const name of names) {
    if (!name.endsWith(SUFFIX) || (pid !== undefined && !name.startsWith(`${pid}-`))) continue;
    const path = join(dir, name);
    try {
      found.push({ path, info: readHeader(readStart(path)) });
    } catch {
      // Gone meanwhile, or not ours to read.
    }
  }
  return found;
}

function readStart(path: string): Buffer {
  const file = openSync(path, "r");
  try {
    if (!fstatSync(file).isFile()) throw new Error("not a file");
    const header = Buffer.alloc(HEADER_BYTES);
    const n = readSync(file, header, 0, HEADER_BYTES, 0);
    return header.subarray(0, n);
  } finally {
    closeSync(file);
  }
}
