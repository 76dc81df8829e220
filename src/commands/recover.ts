/**
 * Recovering one session whose program and consumer both died: the consumer program
 * is run on the session file once more; it finds the program dead, writes what is
 * left. Runs in the command's process.
 */
import { existsSync } from "node:fs";

import type { Native } from "../record/native.ts";
import type { FoundSession } from "../record/session-dir.ts";
import { isRunning } from "../record/process.ts";

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
