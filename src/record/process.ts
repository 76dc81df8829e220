/**
 * Whether the process of a session still lives. Called in the command's process, and
 * where an output is prepared.
 */
import { readFileSync } from "node:fs";

/**
 * Whether a process runs: this very one, not another that got its pid, and no zombie.
 * @param start field 22 of its /proc/PID/stat when the session began.
 */
export function isRunning(pid: number, start: bigint): boolean {
  return startOf(pid) === String(start);
}

/** Whether any process of this pid runs. */
export function isPidTaken(pid: number): boolean {
  return startOf(pid) !== undefined;
}

/** When a process began, in the kernel's ticks; undefined where none runs. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? undefined : rest[18];
  } catch {
    return undefined;
  }
}
