/**
 * Emits numbered events of several types, each with a payload that follows from
 * its number, and reports after each batch how many it has emitted. Runs until it is
 * killed. Started by tests, under the recorder: `numbered.ts SEED`.
 */
import { writeSync } from "node:fs";

import { provider } from "../../../src/index.ts";
import { Random } from "../../support/random.ts";
import { NUMBERED_TYPES, payloadOf, typeOf } from "../numbered.ts";

const random = new Random(Number(process.argv[2]));
const test = provider("test");
/** Defined when first needed: a kill may also hit a definition. */
const points = new Map<string, (...values: unknown[]) => void>();
const report = Buffer.alloc(4);

for (let n = 0; ;) {
  for (let end = n + random.between(1, 20); n < end; n++) {
    const type = typeOf(n);
    let point = points.get(type);
    if (!point) {
      point = test.tracepoint(type, NUMBERED_TYPES) as unknown as (...values: unknown[]) => void;
      points.set(type, point);
    }
    const { text, list, real } = payloadOf(n);
    point(n, text, list, real);
  }
  report.writeUInt32LE(n);
  writeSync(1, report);
  if (random.below(2) === 0) Bun.sleepSync(random.below(4) / 10);
}
