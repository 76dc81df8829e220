/**
 * The shim under the sanitizers, without Bun around it: threads that come and go at
 * once (threads.c), with a consumer beside them. Each thread's events are all there,
 * and rings are used again.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { eventBlock, metadataHead } from "../../src/ctf/metadata-writer.ts";
import { newHeader } from "../../src/record/session-file.ts";
import { readTrace } from "../support/babeltrace.ts";
import { buildProgram, type Sanitizer, shimSource } from "../support/c-compiler.ts";
import { expectGoodPackets } from "../support/packet-rules.ts";
import { onlyTrace } from "../support/packets.ts";
import { Place } from "../support/place.ts";
import { waitFor } from "../support/processes.ts";
import { binariesDir } from "../support/session-files.ts";

setDefaultTimeout(600_000);

const SOURCES = [
  ...["shim.c", "create.c", "steer.c"].map(shimSource),
  ...["threads.c", "spawn-plain.c"].map((name) => join(import.meta.dirname, name)),
];
const THREADS = 6;
const ROUNDS = 3;
const EVENTS = 2000;

/** What TypeScript hands to the shim, as files for the program. */
function handOver(dir: string): void {
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
      consumerPath: join(binariesDir(), "buntrace-consumer"),
      enable: [],
      recorder: 0,
      limits: { maxSize: 0, whenFull: "stop", rotateSize: 0, rotatePeriod: 0, maxChunks: 0 },
    }),
  );
}

test.each<[Sanitizer]>([["address"], ["thread"]])(
  "threads that come and go, %s sanitizer",
  async (sanitizer) => {
    await using place = new Place();
    const program = join(place.dir, "threads");
    buildProgram(program, SOURCES, sanitizer);
    handOver(place.dir);
    const running = Bun.spawn([program, place.dir, String(THREADS), String(ROUNDS), String(EVENTS)], {
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
