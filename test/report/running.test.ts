/** What the report says of many spans that were running at the end: the last begun, each under the one it runs in. */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";

import { HEAD, packet, writeTrace } from "../ctf/hand-made.ts";
import { writeForest } from "../spans/forest.ts";
import type { Told } from "../spans/oracle.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { Random } from "../support/random.ts";

const place = new Place();
afterAll(() => place[Symbol.asyncDispose]());

async function running(trace: string): Promise<string[]> {
  const { stdout } = await cli(place, ["report", trace]);
  const lines = stdout.split("\n");
  const first = lines.findIndex((line) => line.startsWith("running at the end: "));
  return lines.slice(first, lines.indexOf("", first));
}

test("of more than are shown the last begun, also those whose parents are not", async () => {
  // 25 of them: the first alone, the others in pairs, each odd one inside the one before; some inside the first.
  const kept = Array.from({ length: 25 }, (_none, at): Told => {
    const id = at + 1;
    const parent = id === 1 ? 0 : id % 2 === 1 ? id - 1 : id % 4 === 0 ? 1 : 0;
    return { stream: 0, kind: "begin", name: "sql:query", time: 1000 + at * 10, id, parent, own: id };
  });
  writeForest(join(place.dir, "many"), new Random(1), { kept, discarded: [] });
  const line = (id: number, indent: string): string =>
    `${indent}sql:query  for ${(25 - id) * 10} ns  { text = "sql:query", own = ${id} }  thread 100`;
  const shown = Array.from({ length: 20 }, (_none, at) => at + 6);
  expect(await running("many")).toEqual([
    "running at the end: 25 spans",
    "  the 20 begun last:",
    ...shown.map((id) => line(id, id % 2 === 1 ? "    " : "  ")),
  ]);
});

test("long texts and control characters of fields", async () => {
  const text = `\x1b[2J\n${"x".repeat(100)}`;
  writeTrace(join(place.dir, "long"), {
    metadata: `${HEAD}env { tracer_name = "buntrace"; };
stream { id = 0; packet.context := struct { time timestamp_begin; time timestamp_end; u64 content_size;
  u64 packet_size; u64 packet_seq_num; u64 events_discarded; u32 tid; };
  event.header := struct { u32 id; time timestamp; }; };
event { name = "x:y_begin"; id = 0; stream_id = 0; model.emf.uri = "buntrace:span_begin";
  fields := struct { u32 span_id; u32 parent_id; string text; }; };`,
    stream: packet([{ time: 1n, body: (bits) => bits.bytes(Buffer.from(`\x01\0\0\0\0\0\0\0${text}\0`)) }]),
  });
  const [, line = ""] = await running("long");
  const [, value = ""] = /\{ text = (.*) \}/.exec(line) ?? [];
  expect(value).toBe(`"\\u001b[2J\\n${"x".repeat(45)}...`);
  expect(value).toHaveLength(60);
});
