/**
 * What `buntrace doctor` records to try the machine: numbered events in bursts, and
 * SIGKILL right after the last one. A program of its own, traced by itself; its
 * arguments are the output, the session directory and how many events. What it says on
 * stdout is a {@link Trial}.
 */
import { writeSync } from "node:fs";

import { EXIT_ERROR } from "../errors.ts";
import { openSession, provider } from "../index.ts";

/** Events of a burst: 8 bytes each, a ring of default size holds them all, whenever the consumer runs. */
const BURST = 100_000;

/** What a trial found out about itself. */
export interface Trial {
  /** What an event took in the middle one of the bursts, nanoseconds. */
  readonly nanoseconds: number;
  readonly clock: "cycles" | "monotonic";
}

if (import.meta.main) {
  try {
    await record();
  } catch (error) {
    writeSync(2, `${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(EXIT_ERROR);
  }
}

async function record(): Promise<never> {
  const [output = "", sessionDir = "", events = ""] = process.argv.slice(2);
  const session = await openSession({ output, sessionDir });
  const numbered = provider("doctor").tracepoint("numbered", [["number", "u32"]]);
  const bursts: number[] = [];
  for (let from = 0; from < Number(events); from += BURST) {
    await session.flush();
    const start = Bun.nanoseconds();
    for (let number = from; number < from + BURST; number += 1) numbered(number);
    bursts.push((Bun.nanoseconds() - start) / BURST);
  }
  const nanoseconds = bursts.toSorted((a, b) => a - b)[bursts.length >> 1] ?? 0;
  const trial: Trial = { nanoseconds, clock: session.info()?.clock ?? "cycles" };
  writeSync(1, `${JSON.stringify(trial)}\n`);
  process.kill(process.pid, "SIGKILL");
  throw new Error("SIGKILL does not kill");
}
