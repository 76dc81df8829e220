/**
 * Reads mutated traces, and ends badly when the reader throws anything but its own
 * error, or takes too much memory. Started by fuzz.test.ts, which watches its time:
 * `fuzz.ts DIRECTORY SEED FIRST COUNT`. Writes the number of each case it begins.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { CtfError, openTraces } from "../../../src/ctf/index.ts";
import { Random } from "../../support/random.ts";
import { HEAD, packet, packetized, streamBlock } from "../hand-made.ts";
import { ourText } from "../oracle.ts";
import { writeRandomTrace } from "../random-trace.ts";

/** Bytes. The inputs have a few thousand. */
const MAX_RSS = 2_000_000_000;

/** Random traces that are mutated; each in as many ways as there are cases. */
const RANDOM_SEEDS = 24;

const NUMBERS = [
  "0",
  "1",
  "7",
  "8",
  "63",
  "64",
  "65",
  "1024",
  "2147483648",
  "4294967295",
  "18446744073709551615",
  "-1",
];

interface Input {
  readonly metadata: Uint8Array;
  readonly stream: Uint8Array;
}

const [root = "", seedText = "0", firstText = "0", countText = "0"] = process.argv.slice(2);
const seed = Number(seedText);
const first = Number(firstText);
const seeds = makeSeeds();

for (let index = first; index < first + Number(countText); index += 1) {
  process.stdout.write(`${index}\n`);
  run(index);
  if (index % 64 !== 0) continue;
  Bun.gc(false);
  const { rss } = process.memoryUsage();
  if (rss > MAX_RSS) throw new Error(`${rss} bytes of memory after case ${index}`);
}

function run(index: number): void {
  const random = new Random(seed, index);
  const base = seeds[random.below(seeds.length)];
  if (base === undefined) return;
  const directory = join(root, "case");
  mkdirSync(directory, { recursive: true });
  // Half of the cases are right in their metadata, so that the data is reached.
  const what = random.below(4);
  const metadata = what < 2 ? mutateText(base.metadata, random) : base.metadata;
  const stream = what > 0 ? mutateBytes(base.stream, random) : base.stream;
  writeFileSync(join(directory, "metadata"), metadata);
  writeFileSync(join(directory, "stream"), stream);
  try {
    ourText(directory);
    const set = openTraces(directory);
    for (const { fields } of set.events()) if (fields === null) throw new Error("no fields");
    for (const { columns, length } of set.groups()) {
      for (const column of columns) if (length > 0) column.value(length - 1);
    }
    set.close();
  } catch (error) {
    if (!(error instanceof CtfError)) throw error;
  }
}

function makeSeeds(): Input[] {
  const inputs: Input[] = [];
  for (let at = 0; at < RANDOM_SEEDS; at += 1) {
    const directory = join(root, `seed-${at}`);
    writeRandomTrace(new Random(at, 77), directory);
    inputs.push({
      metadata: readFileSync(join(directory, "metadata")),
      stream: readFileSync(join(directory, "stream")),
    });
    rmSync(directory, { recursive: true });
  }
  const text = `${HEAD}env { rows = 2; name = "x\\"y"; };
    typedef u8 octet; struct pair { octet a; octet b; }; enum colour : u8 { RED, GREEN = 4 ... 9 };
    variant choice { u8 RED; struct pair GREEN; };
    ${streamBlock(0, "event.context := struct { u8 n; };")}${streamBlock(1)}
    event { name = "a"; id = 0; stream_id = 0; loglevel = 3; model.emf.uri = "http://x";
      context := struct { string where; };
      fields := struct { enum colour c; variant choice <c> v; octet list[stream.event.context.n][env.rows]; }; };
    event { name = "b"; id = 0; stream_id = 1; fields := struct { string s; floating_point { exp_dig = 8; mant_dig = 24; } f; }; };`;
  const stream = packet([
    { time: 5n, body: (bits) => bits.bytes(Uint8Array.of(2, 104, 105, 0, 4, 1, 2, 3, 4, 5, 6)) },
    { time: 9n, body: (bits) => bits.bytes(Uint8Array.of(0, 0, 0, 7)) },
  ]);
  inputs.push({ metadata: new TextEncoder().encode(text), stream });
  inputs.push({ metadata: packetized(text, true), stream });
  return inputs;
}

function mutateText(bytes: Uint8Array, random: Random): Uint8Array {
  if (random.below(3) === 0) return mutateBytes(bytes, random);
  // Latin-1 keeps the bytes of packets as they are.
  const text = Buffer.from(bytes).toString("latin1");
  const tokens = [...text.matchAll(/[A-Za-z_]\w*|\d+|\s+|"[^"]*"|./g)].map(([token]) => token);
  for (let count = random.between(1, 4); count > 0; count -= 1) {
    const at = random.below(tokens.length);
    const token = tokens[at] ?? "";
    const kind = random.below(6);
    if (kind < 2 && /^\d/.test(token)) tokens[at] = random.pick(["3", ...NUMBERS]);
    else if (kind < 4) tokens[at] = tokens[random.below(tokens.length)] ?? "";
    else if (kind === 4) tokens.splice(at, random.between(1, 12));
    else tokens.splice(at, 0, ...tokens.slice(random.below(tokens.length)).slice(0, random.between(1, 30)));
  }
  return Buffer.from(tokens.join(""), "latin1");
}

function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  let result = Buffer.from(bytes);
  for (let count = random.between(1, 5); count > 0 && result.length > 0; count -= 1) {
    const at = random.below(result.length);
    switch (random.below(6)) {
      case 0:
        result[at] = random.below(256);
        break;
      case 1:
        result[at] = (result[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 2:
        result = result.subarray(0, at);
        break;
      case 3:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + random.between(1, 40))]);
        break;
      case 4:
        result = Buffer.concat([result.subarray(0, at), result.subarray(random.below(result.length))]);
        break;
      default:
        for (let byte = 0; byte < 8 && at + byte < result.length; byte += 1)
          result[at + byte] = random.pick([255, 0, 1, 127]);
    }
  }
  return result;
}
