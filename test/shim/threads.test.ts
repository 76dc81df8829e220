/**
 * The shim under the sanitizers, and as arm64's code under qemu, without Bun around it: threads that come and go at
 * once (threads.c), with a consumer beside them. Each thread's events are all there,
 * and rings are used again.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { eventBlock, metadataHead } from "../../src/ctf/metadata-writer.ts";
import { newHeader, SESSION_OFFSETS } from "../../src/record/session-file.ts";
import { readTrace } from "../support/babeltrace.ts";
import { compile, TARGETS } from "../../shim/build.ts";
import { buildProgram, type Sanitizer, shimSource } from "../support/c-compiler.ts";
import { expectGoodPackets } from "../support/packet-rules.ts";
import { onlyTrace } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { waitFor } from "../support/processes.ts";
import { binariesDir } from "../support/session-files.ts";

setDefaultTimeout(600_000);

const SOURCES = [
  ...["shim.c", "attach.c", "declare.c", "create.c", "steer.c"].map(shimSource),
  ...["threads.c", "spawn-plain.c"].map((name) => join(import.meta.dirname, name)),
];
const THREADS = 6;
const ROUNDS = 3;
const EVENTS = 2000;

/** What TypeScript hands to the shim, as files for the program. */
function handOver(dir: string, consumerPath: string): void {
  for (const name of ["sessions", "trace"]) mkdirSync(join(dir, name), { mode: 0o700, recursive: true });
  const uuid = crypto.getRandomValues(new Uint8Array(16));
  const { before, after } = metadataHead(uuid, { domain: "ust", program: "threads" });
  const event = eventBlock("test:shared", 6, "event", [
    ["thread", "u32"],
    ["n", "u32"],
    ["text", "string"],
  ]);
  const files = { before, after, "event-before": event.before, "event-after": event.after };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  writeFileSync(
    join(dir, "header"),
    newHeader({
      mode: "block",
      clock: "cycles",
      toDisk: true,
      subBuffers: 2,
      subBufferBytes: 8192,
      flushPeriodMs: 3,
      blockTimeoutMs: 60_000,
      uuid,
      program: "threads",
      consumerPath,
      enable: [],
      recorder: 0,
      limits: { maxSize: 0, whenFull: "stop", rotateSize: 0, rotatePeriod: 0, maxChunks: 0 },
    }),
  );
}

/** Builds the program for arm64, and a consumer that the emulator runs. @returns how each is run. */
function buildForArm64(dir: string): { command: string[]; consumer: string } {
  const target = TARGETS.find((one) => one.name === "linux-arm64");
  if (!target) throw new Error("no target linux-arm64");
  const flags = ["-target", target.program, "-std=gnu11", "-O2", "-static", "-pthread"];
  const [program, consumer, script] = ["threads", "consumer", "consumer.cjs"].map((name) => join(dir, name));
  compile(program!, [...flags, ...SOURCES]);
  compile(consumer!, [...flags, shimSource("consumer.c")]);
  // The emulator shows a program another start of itself, in /proc/self/stat, than everybody sees.
  writeFileSync(
    script!,
    `#!${process.execPath}
    const [path] = process.argv.slice(2);
    const { openSync, readFileSync, writeSync } = require("node:fs");
    const stat = readFileSync("/proc/" + /(\\d+)-[^/]*$/.exec(path)[1] + "/stat", "latin1");
    const start = new BigUint64Array([BigInt(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19])]);
    writeSync(openSync(path, "r+"), start, 0, 8, ${SESSION_OFFSETS.process_start});
    Bun.spawnSync(["qemu-aarch64", ${JSON.stringify(consumer)}, path]);`,
    { mode: 0o755 },
  );
  return { command: ["qemu-aarch64", program!], consumer: script! };
}

function build(dir: string, how: Sanitizer | "arm64"): { command: string[]; consumer: string } {
  if (how === "arm64") return buildForArm64(dir);
  const program = join(dir, "threads");
  buildProgram(program, SOURCES, how);
  return { command: [program], consumer: join(binariesDir(), "buntrace-consumer") };
}

test.each<[Sanitizer | "arm64"]>([["address"], ["thread"], ["arm64"]])(
  "threads that come and go: %s",
  async (how) => {
    await using place = new Place();
    const { command, consumer } = build(place.dir, how);
    handOver(place.dir, consumer);
    const running = Bun.spawn([...command, place.dir, String(THREADS), String(ROUNDS), String(EVENTS)], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, status] = await Promise.all([
      running.stdout.text(),
      running.stderr.text(),
      running.exited,
    ]);
    expect([stderr, status]).toEqual(["", 0]);
    await waitFor("the consumer to finish", () => readdirSync(join(place.dir, "sessions")).length === 0);
    const events = await readTrace(place.output);
    const threads = Map.groupBy(events, ({ fields }) => Number(fields["thread"]));
    expect([...threads.keys()].sort((a, b) => a - b)).toEqual(
      Array.from({ length: THREADS * ROUNDS }, (_, i) => i),
    );
    for (const [thread, list] of threads) {
      expect(list.map(({ fields }) => fields["n"])).toEqual(Array.from({ length: EVENTS }, (_, n) => n));
      for (const { threadName, fields } of list) {
        const n = Number(fields["n"]);
        const text = String.fromCharCode(97 + (n % 26)).repeat((n * 7 + thread) % 100);
        if (threadName !== `thread ${thread}` || (text !== "" && fields["text"] !== text))
          throw new Error(`event ${n} of thread ${thread}: ${threadName} ${JSON.stringify(fields)}`);
      }
    }
    // A ring that was drained is used by the next thread: not one more a thread.
    expect(Number(/^(\d+) rings$/m.exec(stdout)?.[1])).toBeLessThan(THREADS * ROUNDS);
    expectGoodPackets(onlyTrace(place.output), events);
  },
);
