/**
 * Defines as many event types as it is told, emits an event of each, and prints how
 * many its metadata has. Started by tests, under the recorder: `many-types.ts COUNT`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { openSession, provider } from "../../../src/index.ts";

const test = provider("test");
const points = Array.from({ length: Number(process.argv[2]) }, (_, i) =>
  test.tracepoint(`type_${i}`, [["n", "u32"]]),
);
points.forEach((point, i) => point(i));
const { traceDir = "" } = await openSession();
const metadata = readFileSync(join(traceDir, "metadata"), "utf8");
console.log(JSON.stringify({ declared: metadata.match(/^event \{/gm)?.length }));
