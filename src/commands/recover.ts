/**
 * Recovering one session whose program and consumer both died: the consumer program
 * is run on the session file once more; it finds the program dead, writes what is
 * left. Runs in the command's process.
 */
import { existsSync, lstatSync, unlinkSync } from "node:fs";

import type { Native } from "../record/native.ts";
import type { FoundSession, UnreadableSession } from "../record/session-dir.ts";
import { isPidTaken, isRunning } from "../record/process.ts";

/** What became of a session. */
export interface Recovered {
  /** live: its program runs, or its consumer still works on it. */
  readonly state: "live" | "recovered" | "failed";
  /** One line for the user. */
  readonly text: string;
}

/** Finishes a session if nobody else does. */
export async function recoverSession(
  { consumerPath }: Native,
  { path, info }: FoundSession,
): Promise<Recovered> {
  const what = `${info.program} (pid ${info.pid})`;
  if (info.finished) return { state: "recovered", text: `${what} was complete: ${info.traceDir}` };
  if (isRunning(info.pid, info.processStart)) return { state: "live", text: `${what} is still running` };
  const consumer = Bun.spawn([consumerPath, path], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const [errors, status] = await Promise.all([consumer.stderr.text(), consumer.exited]);
  if (errors.includes("has a consumer already"))
    return { state: "live", text: `${what} has a consumer that is still writing` };
  // Its own consumer finished it, and removed the file, after we had read it.
  if (status !== 0 && !existsSync(path))
    return { state: "recovered", text: `${what} was complete: ${info.traceDir}` };
  if (status !== 0)
    return {
      state: "failed",
      text: `${what} not recovered: ${errors.trim().replace(/^buntrace-consumer: /, "")}`,
    };
  return { state: "recovered", text: `${what} recovered -> ${info.traceDir}` };
}

/** Whether the program that made an unreadable session may still record to it, as one of another version does. */
export function mayBeInUse({ pid }: UnreadableSession): boolean {
  return pid !== undefined && isPidTaken(pid);
}

/**
 * Removes a file that is named as a session and cannot be read, unless it may be in use.
 * @returns undefined, or why it stays.
 */
export function removeUnreadable(session: UnreadableSession): string | undefined {
  if (mayBeInUse(session)) return `it stays: a process ${session.pid} runs, and may be recorded to it`;
  try {
    // A link is removed and not followed; a directory, a pipe or a device is somebody's mistake.
    const file = lstatSync(session.path);
    if (!file.isFile() && !file.isSymbolicLink()) return "it stays: remove it yourself";
    unlinkSync(session.path);
    return undefined;
  } catch (error) {
    return `it stays: ${error instanceof Error ? error.message : String(error)}`;
  }
}
