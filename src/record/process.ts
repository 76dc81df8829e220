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
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state !== "Z" && state !== "X" && rest[18] === String(start);
  } catch {
    return false;
  }
}
