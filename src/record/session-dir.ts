/**
 * The directory of session files: private to its user, on tmpfs unless another is
 * named. Called in the command's process to find sessions, and by whoever prepares an
 * output that may be in use.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { join, resolve } from "node:path";

import { cString, ERROR_BYTES, type Native, textOf } from "./native.ts";
import { HEADER_BYTES, readHeader, type SessionInfo } from "./session-file.ts";

const SUFFIX = ".session";

/**
 * Makes sure that the directory exists, is the user's own and closed to others.
 * @returns its absolute path.
 * @throws Error with one line: what is wrong with it.
 */
export function ensureSessionDir({ shim }: Native, dir: string): string {
  const path = resolve(dir);
  const error = Buffer.alloc(ERROR_BYTES);
  if (shim.bt_check_session_dir(cString(path), error) !== 0) throw new Error(textOf(error));
  return path;
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
