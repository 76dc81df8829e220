/** Bytes on their way out: texts of more bytes than characters, and what does not fit the buffer, come out whole. */
import { afterAll, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { Output, Prepared } from "../../src/report/output.ts";
import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { babeltrace } from "../support/babeltrace.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";

const place = new Place();
afterAll(() => place[Symbol.asyncDispose]());

/** More than an output collects. */
const LARGE = 300_000;

test.each([undefined, "file"])("texts and bytes, to a %p", (kind) => {
  const file = join(place.dir, "written");
  const descriptor = kind === undefined ? undefined : openSync(file, "w");
  const out = new Output(descriptor, file);
  const expected: Buffer[] = [];
  const add = (text: string): void => {
    out.write(text);
    expected.push(Buffer.from(text));
  };
  // At all distances from the buffer's end, of one to four bytes a character.
  for (let turn = 0; turn < 9000; turn += 1) add("aé✓𝄞".slice(turn % 3).repeat(1 + (turn % 11)));
  add("✓".repeat(LARGE));
  for (const bytes of [new Uint8Array(3).fill(65), new Uint8Array(LARGE).fill(66), new Uint8Array(0)]) {
    out.putBytes(bytes);
    expected.push(Buffer.from(bytes));
    out.put(new Prepared(bytes));
    expected.push(Buffer.from(bytes));
  }
  add("end");
  out.flush();
  if (descriptor !== undefined) closeSync(descriptor);
  const bytes = descriptor === undefined ? Buffer.from(out.bytes.subarray(0, out.at)) : readFileSync(file);
  expect(bytes.equals(Buffer.concat(expected))).toBe(true);
});

test("print: a text that is longer than the buffer when it is escaped", async () => {
  const texts = ["x".repeat(LARGE), "\x01".repeat(LARGE), "✓\n".repeat(LARGE / 4), ""];
  const directory = writeTrace(join(place.dir, "long"), {
    metadata: `${HEAD}${streamBlock()} event { name = "a"; id = 0; stream_id = 0; fields := struct { string s; }; };`,
    one: packet(
      texts.map((text, at) => ({
        time: BigInt(at),
        body: (bits) => bits.bytes(Buffer.from(`${text}\0`)),
      })),
    ),
  });
  const theirs = (await babeltrace(["--clock-gmt", directory])).stdout;
  const ours = (await cli(place, ["print", directory, "--utc"])).stdout;
  expect(ours === theirs).toBe(true);
  const json = (await cli(place, ["print", directory, "--json"])).stdout.trim().split("\n");
  expect(json.map((line) => (JSON.parse(line) as { fields: { s: string } }).fields.s)).toEqual(texts);
});
