/**
 * The storm: programs with random threads, modes, sizes and pauses, whose program,
 * Workers and consumer are killed and stopped at random while they are flushed,
 * switched, and snapshots are taken. After each round the accounting is exact, per stream.
 * The large form: BUNTRACE_STORM_ROUNDS=5000 bun test test/storm. One round alone:
 * BUNTRACE_SEED and BUNTRACE_CASE, as the failure says.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";

import { Place } from "../support/place.ts";
import { numberFromEnvironment, runCases } from "../support/random.ts";
import { drawPlan } from "./plan.ts";
import { runRound } from "./round.ts";
import { verifyRound } from "./verify.ts";

const ROUNDS = numberFromEnvironment("BUNTRACE_STORM_ROUNDS", 300);

/** Rounds at a time: most of a round is waiting. */
const PARALLEL = 4;

test(
  `${ROUNDS} rounds of the storm: accounts are exact, babeltrace2 reads every trace and snapshot`,
  async () => {
    const sums = { recorded: 0, discarded: 0, snapshots: 0, recovered: 0 };
    await runCases("test/storm/storm.test.ts", ROUNDS, PARALLEL, async (random) => {
      await using place = new Place();
      const plan = drawPlan(random);
      const outcome = await runRound(place, plan);
      const snapshotOutput = (index: number): string => join(place.dir, `snapshot-${index}`);
      const { recorded, discarded } = await verifyRound(place.output, snapshotOutput, plan, outcome);
      sums.recorded += recorded;
      sums.discarded += discarded;
      sums.snapshots += outcome.snapshots.length;
      if (outcome.recovered) sums.recovered++;
    });
    // A storm in which nothing happens shows nothing.
    if (ROUNDS >= 100)
      for (const [what, sum] of Object.entries(sums)) expect(`${what} ${sum > 0}`).toBe(`${what} true`);
    console.error(`storm: ${JSON.stringify(sums)}`);
  },
  { timeout: 3_600_000 },
);
