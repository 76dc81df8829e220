/**
 * The directory of session files: private to its user, on tmpfs unless another is
 * named. Called in the command's process to find sessions, and by whoever prepares an
 * output that may be in use.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { join, resolve } from "node:path";

import { cString, ERROR_BYTES, type Native, textOf } from "./native.ts";
import { isPidTaken } from "./process.ts";
import { HEADER_BYTES, MAGIC, readHeader, type SessionInfo } from "./session-file.ts";

const SUFFIX = ".session";

/**
 * Makes sure that the directory exists, is the user's own and closed to others.
 * @returns its absolute path.
 * @throws Error with one line: what is wrong with it.
 */
export function ensureSessionDir({ steer }: Native, dir: string): string {
  const path = resolve(dir);
  const error = Buffer.alloc(ERROR_BYTES);
  if (steer.bt_check_session_dir(cString(path), error) !== 0) throw new Error(textOf(error));
  return path;
}

/** A session file and what it says. */
export interface FoundSession {
  readonly path: string;
  readonly info: SessionInfo;
}

/** A file that is named as a session and has no header that this version reads. */
export interface UnreadableSession {
  readonly path: string;
  /** Of the program that made it, as the name says; undefined where that says nothing. */
  readonly pid: number | undefined;
  /** What is wrong with it. */
  readonly why: string;
}

/** What is in a session directory. */
export interface SessionDir {
  readonly sessions: readonly FoundSession[];
  readonly unreadable: readonly UnreadableSession[];
}

/** The readable session files in a directory, of one process or of all. */
export function findSessions(dir: string, pid?: number): readonly FoundSession[] {
  return readSessionDir(dir, pid).sessions;
}

/** All session files in a directory, of one process or of all. */
export function readSessionDir(dir: string, pid?: number): SessionDir {
  const sessions: FoundSession[] = [];
  const unreadable: UnreadableSession[] = [];
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch {
    names = [];
  }
  for (const name of names) {
    if (!name.endsWith(SUFFIX) || (pid !== undefined && !name.startsWith(`${pid}-`))) continue;
    const path = join(dir, name);
    try {
      const header = readStart(path);
      if (!isBeingMade(header, name)) sessions.push({ path, info: readHeader(header) });
    } catch (error) {
      const why = whyOf(error);
      if (why !== undefined) unreadable.push({ path, pid: pidIn(name), why });
    }
  }
  return { sessions, unreadable };
}

/** The pid in a session file's name (shim/create.c). */
function pidIn(name: string): number | undefined {
  const [, pid] = /^([1-9][0-9]{0,9})-/.exec(name) ?? [];
  return pid === undefined ? undefined : Number(pid);
}

/** Whether its program is about to write the header. */
function isBeingMade(header: Buffer, name: string): boolean {
  const pid = pidIn(name);
  return header.subarray(0, MAGIC.length).every((byte) => byte === 0) && pid !== undefined && isPidTaken(pid);
}

/** What is wrong with a file; undefined where it is gone meanwhile. */
function whyOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return String(error);
  if (!("code" in error)) return error.message;
  if (error.code === "ENOENT") return undefined;
  return error.code === "ELOOP" ? "a symbolic link" : error.message.replace(/^[A-Z0-9]+: ([^,]*).*$/s, "$1");
}

function readStart(path: string): Buffer {
  // Nonblocking: a pipe of that name would be waited for.
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!fstatSync(file).isFile()) throw new Error("not a file");
    const header = Buffer.alloc(HEADER_BYTES);
    const n = readSync(file, header, 0, HEADER_BYTES, 0);
    return header.subarray(0, n);
  } finally {
    closeSync(file);
  }
}
