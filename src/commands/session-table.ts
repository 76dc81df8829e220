/**
 * What `buntrace list` shows of a session. Runs in the command's process.
 */
import { closeSync, openSync, readSync } from "node:fs";

import { isRunning } from "../record/process.ts";
import type { FoundSession } from "../record/session-dir.ts";
import { HEADER_BYTES, ringCounters, ringsOf } from "../record/session-file.ts";
import { countText } from "../report/number-text.ts";

/** One session. */
export interface SessionRow {
  readonly pid: number;
  readonly program: string;
  readonly mode: string;
  /** "live"; "stale": program and consumer are dead, `recover` finishes it; "finished": only its file is left. */
  readonly state: "live" | "stale" | "finished";
  /** Emitted so far: in the trace, or still in the rings. */
  readonly events: number;
  /** Discarded, or dropped by a limit. */
  readonly discarded: number;
  readonly threads: number;
  readonly ageSeconds: number;
  readonly traceDir: string;
}

/** What is in a session's rings and in no packet yet. */
export interface Pending {
  readonly records: number;
  readonly discarded: number;
  /** That have a ring. */
  readonly threads: number;
}

/** Reads a session's rings from its file; undefined where that is gone meanwhile. */
export function pendingOf({ path }: FoundSession): Pending | undefined {
  const file = openIfThere(path);
  if (file === undefined) return undefined;
  let [records, discarded, threads] = [0, 0, 0];
  try {
    const page = Buffer.alloc(HEADER_BYTES);
    readSync(file, page, 0, HEADER_BYTES, 0);
    for (const at of ringsOf(page)) {
      if (readSync(file, page, 0, HEADER_BYTES, at) < HEADER_BYTES) break;
      const ring = ringCounters(page);
      records += ring.pendingRecords;
      discarded += ring.pendingDiscarded;
      if (ring.active) threads++;
    }
  } finally {
    closeSync(file);
  }
  return { records, discarded, threads };
}

/** Reads a session's counters from its file; undefined where that is gone meanwhile. */
export function sessionRow(session: FoundSession): SessionRow | undefined {
  const { info } = session;
  const pending = pendingOf(session);
  if (pending === undefined) return undefined;
  return {
    pid: info.pid,
    program: info.program,
    mode: info.mode,
    state: info.finished ? "finished" : isRunning(info.pid, info.processStart) ? "live" : "stale",
    events: Number(info.recordsWritten) + pending.records,
    discarded: Number(info.discardedTold + info.ringlessDiscarded + info.dropped) + pending.discarded,
    threads: pending.threads,
    ageSeconds: Math.max(0, Math.round((Date.now() - Number(info.startedAtNs / 1_000_000n)) / 1000)),
    traceDir: info.traceDir,
  };
}

/** Text of a session file, which may hold anything: no control characters for the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch {
    return undefined;
  }
}

const AGE_UNITS = [
  ["d", 86_400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
] as const;

/** An age in its two largest units: 1 h 10 min. */
function ageText(seconds: number): string {
  const first = AGE_UNITS.findIndex(([, of]) => seconds >= of);
  const parts: string[] = [];
  let rest = seconds;
  for (const [unit, of] of AGE_UNITS.slice(first, first + 2)) {
    const count = Math.floor(rest / of);
    if (count > 0) parts.push(`${count} ${unit}`);
    rest -= count * of;
  }
  return parts.join(" ") || "0 s";
}

const HEADINGS = [
  "PID",
  "PROGRAM",
  "MODE",
  "STATE",
  "THREADS",
  "EVENTS",
  "DISCARDED",
  "AGE",
  "TRACE",
] as const;

/** The rows as text columns, with a heading; one line when there are none. */
export function sessionTable(rows: readonly SessionRow[]): string {
  if (rows.length === 0) return "no program is being recorded\n";
  const cells = rows.map((row) => [
    String(row.pid),
    printable(row.program),
    row.mode,
    row.state,
    String(row.threads),
    countText(row.events),
    countText(row.discarded),
    ageText(row.ageSeconds),
    row.traceDir === "/" ? "(none)" : printable(row.traceDir),
  ]);
  const all = [[...HEADINGS], ...cells];
  const widths = HEADINGS.map((_, i) => Math.max(...all.map((line) => Bun.stringWidth(line[i] ?? ""))));
  return all
    .map(
      (line) =>
        `${line
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}
