/** A program that ticks, and its ticks in the trace, for the tests of `record` beside this file. Runs in the test process. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { readTrace } from "../support/babeltrace.ts";
import type { Place } from "../support/place.ts";

const LIBRARY = join(import.meta.dirname, "../../src/index.ts");

/** A program that emits `test:tick` for 0 to its first argument. */
export const EMIT = `
import { provider } from ${JSON.stringify(LIBRARY)};
const tick = provider("test").tracepoint("tick", [["n", "u32"]]);
for (let n = 0; n < Number(process.argv[2] ?? 3); n++) tick(n);
`;

/** Writes a program. @returns its name. */
export function program(place: Place, source: string, name = "app.ts"): string {
  writeFileSync(join(place.dir, name), source);
  return name;
}

/** The numbers of the ticks in the traces of an output. */
export async function ticks(place: Place, output = "buntrace.data"): Promise<number[]> {
  const events = await readTrace(join(place.dir, output));
  return events.filter(({ name }) => name === "test:tick").map(({ fields }) => Number(fields["n"]));
}

/** 0 to before n. */
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
