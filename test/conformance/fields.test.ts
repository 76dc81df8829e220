/**
 * Every field type, with edge values and with whatever fast-check thinks of: what
 * babeltrace2 reads is what the program says that it emitted, event for event and
 * bit for bit.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { readTrace } from "../support/babeltrace.ts";
import { expectRecorded } from "../support/compare.ts";
import { emitPlan, type Plan } from "../support/plan.ts";
import { Place } from "../support/place.ts";
import { numberFromEnvironment, seed } from "../support/random.ts";
import { anyPlan } from "./arbitraries.ts";
import { DOUBLES, EDGE_CASES } from "./edges.ts";

setDefaultTimeout(300_000);

/** Programs that the property test starts; its big form is a thousand and more. */
const RUNS = numberFromEnvironment("BUNTRACE_PROPERTY_RUNS", 40);

async function recordAndCompare(plan: Plan): Promise<void> {
  await using place = new Place();
  await expectRecorded(place, await emitPlan(place, plan));
}

test("events of any types with any values", async () => {
  const path = process.env["BUNTRACE_PATH"];
  const result = await fc.check(fc.asyncProperty(anyPlan, recordAndCompare), {
    seed: seed(),
    numRuns: RUNS,
    // Shrinking may take long: what it has come to is told before the test ends.
    interruptAfterTimeLimit: 200_000,
    ...(path ? { path } : {}),
  });
  if (result.failed)
    throw new Error(
      `alone: BUNTRACE_SEED=${result.seed} BUNTRACE_PATH=${result.counterexamplePath} ` +
        `bun test test/conformance/fields.test.ts\n${fc.defaultReportMessage(result)}`,
    );
});

test.each(EDGE_CASES.map(([type, values]) => [JSON.stringify(type), type, values] as const))(
  "edge values of %s",
  async (_, type, values) => {
    await recordAndCompare({
      types: [
        {
          name: "edge",
          fields: [
            ["before", "u8"],
            ["x", type],
            ["after", "u8"],
          ],
        },
      ],
      events: values.map((value, i) => ({ type: 0, values: [i, value, 255 - i] })),
    });
  },
);

test("floats as babeltrace2 itself shows them", async () => {
  await using place = new Place();
  await emitPlan(place, {
    types: [
      {
        name: "float",
        fields: [
          ["d", "f64"],
          ["f", "f32"],
        ],
      },
    ],
    events: DOUBLES.map((value) => ({ type: 0, values: [value, value] })),
  });
  const read = await readTrace(place.output);
  // Six digits; a zero keeps its sign.
  const shown = (value: number): number => value && Number(value.toPrecision(6));
  expect(read.map(({ fields }) => fields["d"])).toEqual(DOUBLES.map(shown));
  expect(read.map(({ fields }) => fields["f"])).toEqual(DOUBLES.map(Math.fround).map(shown));
});
