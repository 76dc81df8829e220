/**
 * Records with some fields only, on random traces of every type: what they have
 * is what whole records have.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type EventRecord, type Fields, openTraces } from "../../src/ctf/index.ts";
import { eventRecord } from "../../src/ctf/events.ts";
import { PartialRecords } from "../../src/spans/partial.ts";
import { writeRandomTrace } from "../ctf/random-trace.ts";
import { runCases } from "../support/random.ts";

const root = mkdtempSync(join(tmpdir(), "buntrace-partial-"));
afterAll(() => rmSync(root, { recursive: true }));

/** The members of a scope that have one of these names. */
function only(scope: Fields | undefined, names: ReadonlySet<string>): Fields {
  return Object.fromEntries(Object.entries(scope ?? {}).filter(([name]) => names.has(name)));
}

test("partial records of random traces", async () => {
  await runCases("test/spans/partial.test.ts", 25, 1, async (random, index) => {
    const directory = join(root, String(index));
    writeRandomTrace(random, directory);
    const set = openTraces(directory);
    const scopes = (record: EventRecord): (Fields | undefined)[] => [
      record.fields,
      record.context,
      record.streamContext,
    ];
    const all = [
      ...new Set(
        [...set.events()].flatMap((one) => scopes(one).flatMap((scope) => Object.keys(scope ?? {}))),
      ),
    ];
    for (let round = 0; round < 5; round += 1) {
      const names = new Set(all.filter(() => random.below(4) === 0));
      // A path into a structure asks for the structure.
      const partial = new PartialRecords(
        [...names].map((name) => (random.below(2) === 0 ? name : `${name}.x`)),
      );
      for (const { batch, from, to } of set.runs()) {
        for (let at = from; at < to; at += 1) {
          const [part, whole] = [partial.record(batch, at), eventRecord(batch, at)];
          expect({ ...part, fields: 0, context: 0, streamContext: 0 } as unknown).toEqual({
            ...whole,
            fields: 0,
            context: 0,
            streamContext: 0,
          });
          expect(scopes(part).map((scope) => scope ?? {})).toEqual(
            scopes(whole).map((scope) => only(scope, names)),
          );
        }
      }
    }
    set.close();
  });
});
