/**
 * Emits a random forest of spans, counters and events, in the main thread and then in
 * a Worker, and ends: or dies by SIGKILL with spans still open.
 * Started by tests, under the recorder: `forest.ts SEED EVENTS end|kill`.
 */
import { isMainThread, Worker, workerData } from "node:worker_threads";

import { nameThread, openSession, provider } from "../../../src/index.ts";
import { Random } from "../../support/random.ts";

const here = provider("test");
const NAMES = ["request", "query", "render"] as const;
const spans = NAMES.map((name) => here.span(name, [["work", "u32"]], { end: [["result", "u32"]] }));
const depth = here.counter("depth", "i32");
const note = here.tracepoint("note", [["work", "u32"]]);

interface Open {
  readonly kind: number;
  readonly id: number;
}

function grow(random: Random, events: number): void {
  const open: Open[] = [];
  for (let left = events; left > 0; left--) {
    const dice = random.below(10);
    if (dice === 0) note(random.below(5));
    else if (dice === 1) depth(open.length - 3);
    else if (dice < 6 || open.length === 0) {
      const kind = random.below(NAMES.length);
      const parent = random.below(4) > 0 ? open[random.below(open.length)] : undefined;
      const begin = (): number => spans[kind]!.begin(random.below(5));
      const id = parent === undefined ? begin() : spans[parent.kind]!.run(parent.id, begin);
      open.push({ kind, id });
    } else {
      const [span] = open.splice(random.below(2) === 0 ? open.length - 1 : random.below(open.length), 1);
      if (span !== undefined) spans[span.kind]!.end(span.id, random.below(6) === 0, random.below(4));
    }
  }
}

const [, , seed, events, mode] = process.argv;
if (isMainThread) {
  nameThread("first");
  grow(new Random(Number(seed), 1), Number(events));
  const worker = new Worker(import.meta.filename, { workerData: [seed, events] });
  await new Promise<void>((resolve) => worker.on("exit", () => resolve()));
  if (mode === "kill") process.kill(process.pid, "SIGKILL");
} else {
  const [workerSeed, workerEvents] = workerData as readonly [string, string];
  await openSession();
  nameThread("second");
  grow(new Random(Number(workerSeed), 2), Number(workerEvents));
}
