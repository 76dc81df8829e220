/**
 * What memory does tracing take? Resident megabytes of a program that emits a million
 * events, untraced and traced, and of its consumer: its own, and what it shares with the
 * other (the rings). `bun bench/memory.ts`, or `--small` for a test.
 */
import { join } from "node:path";

import { openSession } from "../src/index.ts";
import { consumersOf, statusNumber } from "../test/support/processes.ts";
import { bursts } from "./payloads.ts";
import { cellToRun, machine, runCells, sessionDirOf, small, table, withTempDir } from "./support.ts";

const ROUNDS = small ? 1 : 11;
const EVENTS = small ? 10_000 : 1_000_000;
const BURST = 10_000;

/** Resident memory of a process, MB: its own, and that of shared mappings. */
function resident(pid: number): { own: number; shared: number } {
  const mb = (field: string): number => (statusNumber(pid, field) * 1024) / 1e6;
  return { own: mb("RssAnon") + mb("RssFile"), shared: mb("RssShmem") };
}

async function emitAll(): Promise<void> {
  const burst = bursts["two_f64"]!();
  for (let emitted = 0; emitted < EVENTS; emitted += BURST) {
    burst(BURST);
    await Bun.sleep(0);
  }
  Bun.gc(true);
}

async function traced(): Promise<Record<string, Record<string, number>>> {
  return withTempDir(async (dir) => {
    const sessionDir = sessionDirOf(dir);
    await using session = await openSession({ output: join(dir, "trace"), sessionDir });
    await emitAll();
    await session.flush();
    return { application: resident(process.pid), consumer: resident(consumersOf(sessionDir)[0]!) };
  });
}

const cell = cellToRun();
if (cell === "untraced") {
  await emitAll();
  console.log(JSON.stringify(resident(process.pid)));
} else if (cell === "traced") console.log(JSON.stringify(await traced()));
else {
  const results = await runCells(import.meta.path, ["untraced", "traced"], ROUNDS);
  const row = (what: string, cell: string): string[] => [
    what,
    results.of(`${cell}.own`).toFixed(2),
    results.of(`${cell}.shared`).toFixed(2),
  ];
  console.log(`${machine()}; medians of ${ROUNDS} rounds, one thread, a ring of 8 x 256 KiB\n`);
  console.log(
    table(
      ["resident after a million events", "its own, MB", "shared, MB"],
      [
        row("the program, untraced", "untraced"),
        row("the program, traced", "traced.application"),
        row("the consumer", "traced.consumer"),
      ],
    ),
  );
}
