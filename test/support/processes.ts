/**
 * What the tests look up about processes in /proc, and waiting with a deadline.
 * Runs in the test process and in the programs it starts.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The longest a test waits for anything, milliseconds: a loaded machine's, far from any real time. */
const DEADLINE_MS = 30_000;

/** Resolves to the first result of `get` that is neither undefined nor false. @throws Error at the deadline. */
export async function waitFor<T>(
  what: string,
  get: () => T | undefined | false,
  deadlineMs: number = DEADLINE_MS,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const result = get();
    if (result !== undefined && result !== false) return result;
    if (performance.now() > end) throw new Error(`waited ${deadlineMs / 1000} s in vain for: ${what}`);
    await Bun.sleep(3);
  }
}

function procFile(pid: number | "self", name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1");
  } catch {
    return undefined;
  }
}

/** The letter of a process's state (R, S, T, Z ..); undefined when there is no such process. */
export function processState(pid: number): string | undefined {
  const stat = procFile(pid, "stat");
  return stat?.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
}

/** Whether a process is there and no zombie. */
export function isAlive(pid: number): boolean {
  const state = processState(pid);
  return state !== undefined && state !== "Z" && state !== "X";
}

/** A number of /proc/PID/status, as RssAnon (in kB). */
export function statusNumber(pid: number, field: string): number {
  const found = new RegExp(`^${field}:\\s*(\\d+)`, "m").exec(procFile(pid, "status") ?? "");
  if (!found) throw new Error(`/proc/${pid}/status has no ${field}`);
  return Number(found[1]);
}

/** Processor time that a process's first thread has had, seconds. */
export function cpuSeconds(pid: number): number {
  return Number(procFile(pid, "schedstat")?.split(" ")[0]) / 1e9;
}

/** A process's scheduling policy (sched(7)): 0 is SCHED_OTHER, 3 SCHED_BATCH. */
export function schedulingPolicy(pid: number): number {
  const stat = procFile(pid, "stat") ?? "";
  // Field 41 (proc_pid_stat(5)); the third is the first behind the name.
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[41 - 3]);
}

/** A signal mask of /proc/PID/status, as SigBlk or SigCgt. */
export function signalMask(pid: number | "self", field: string): bigint {
  const found = new RegExp(`^${field}:\\s*([0-9a-f]+)`, "m").exec(procFile(pid, "status") ?? "");
  return BigInt(`0x${found?.[1] ?? "0"}`);
}

/** Ids of the consumers that serve sessions in a directory. */
export function consumersOf(sessionDir: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const args = procFile(pid, "cmdline")?.split("\0") ?? [];
      return args[0]?.endsWith("buntrace-consumer") && args[1]?.startsWith(`${sessionDir}/`);
    })
    .filter(isAlive);
}

/** Ids of a process's children, zombies included. */
export function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => {
      const stat = procFile(child, "stat");
      return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === String(pid);
    });
}

/** What this process's open descriptors point to, sorted; but the one that looks. */
export function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd")
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return undefined;
      }
    })
    .filter((target) => target !== undefined)
    .filter((target) => !target.startsWith("/proc/"))
    .sort();
}
