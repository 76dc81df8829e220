/**
 * Workers under the recorder, however they are made: each has a ring of its own, all
 * its events are in the trace however it ends, and its ring goes to the next one.
 * BUNTRACE_WORKERS sets the number of short Workers (10000 is the large form).
 */
import { describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { readTrace } from "../support/babeltrace.ts";
import { Place } from "../support/place.ts";
import { run, runJson } from "../support/run.ts";

const LIBRARY = join(import.meta.dirname, "../../src/index.ts");
const WORKERS = Number(process.env["BUNTRACE_WORKERS"] ?? 400);

/** Shared by main thread and Workers: both define the same tracepoint. */
const EVENT = `
import { Worker as NodeWorker, workerData, threadId } from "node:worker_threads";
import { nameThread, provider } from ${JSON.stringify(LIBRARY)};
const tick = provider("test").tracepoint("tick", [["worker", "u32"], ["n", "u32"]]);
`;

async function recorded(source: string, args: readonly string[] = []) {
  await using place = new Place();
  const program = join(place.dir, "workers.ts");
  writeFileSync(program, EVENT + source);
  const result = await run(place, program, { args });
  expect(result.stderr).toBe("");
  expect(result.status).toBe(0);
  const [trace] = readdirSync(place.output);
  const streams = readdirSync(join(place.output, trace!)).filter((name) => name !== "metadata");
  return { result, streams, events: await readTrace(place.output) };
}

type Events = Awaited<ReturnType<typeof recorded>>["events"];

/** The numbers that each worker's events hold, in order. */
function byWorker(events: Events): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (const { fields } of events) {
    const worker = Number(fields["worker"]);
    found.set(worker, [...(found.get(worker) ?? []), Number(fields["n"])]);
  }
  return found;
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe("a Worker's events are all there when it", () => {
  const ends: [how: string, worker: string, parent?: string][] = [
    ["ends", ""],
    ["exits", "process.exit(0);"],
    [
      "throws",
      "throw new Error('worker');",
      "worker.addEventListener('error', (event) => event.preventDefault());",
    ],
    [
      "is terminated",
      "postMessage(1); setInterval(() => {}, 1e6);",
      "worker.addEventListener('message', () => worker.terminate());",
    ],
    [
      "still runs as the program exits",
      "postMessage(1); setInterval(() => {}, 1e6);",
      "worker.addEventListener('message', () => process.exit(0));",
    ],
    ["still runs as the program is killed", "postMessage(1); setInterval(() => {}, 1e6);"],
  ];

  test.each(ends)("%s", async (how, worker, parent = "") => {
    const killed = how.endsWith("killed");
    await using place = new Place();
    const program = join(place.dir, "workers.ts");
    writeFileSync(
      program,
      `${EVENT}
if (Bun.isMainThread) {
  for (let n = 0; n < 10; n++) tick(0, n);
  const worker = new Worker(import.meta.url);
  ${parent}
  ${killed ? "worker.addEventListener('message', () => process.kill(process.pid, 'SIGKILL'));" : ""}
  await new Promise((done) => worker.addEventListener("close", done));
} else {
  for (let n = 0; n < 1000; n++) tick(1, n);
  ${worker}
}`,
    );
    await run(place, program);
    expect(byWorker(await readTrace(place.output))).toEqual(
      new Map([
        [0, upTo(10)],
        [1, upTo(1000)],
      ]),
    );
  });
});

test("Workers of both kinds and of Workers record, one event type, a stream each", async () => {
  const { events, streams, result } = await recorded(`
const depth = Number(process.env.DEPTH ?? 0);
if (Bun.isMainThread) {
  tick(0, 0);
  const own = new Worker(import.meta.url, { env: { ...process.env, DEPTH: "1" } });
  await new Promise((done) => own.addEventListener("close", done));
  const node = new NodeWorker(new URL(import.meta.url), { workerData: 7 });
  await new Promise((done) => node.on("exit", done));
  class Sub extends Worker {}
  const sub = new Sub(import.meta.url, { env: { ...process.env, DEPTH: "2" } });
  console.log(sub instanceof Sub, sub instanceof Worker);
  await new Promise((done) => sub.addEventListener("close", done));
} else if (workerData === 7) {
  nameThread("node worker");
  tick(7, 0);
} else {
  tick(depth, 0);
  if (depth === 1) {
    const inner = new Worker(import.meta.url, { env: { ...process.env, DEPTH: "3" } });
    await new Promise((done) => inner.addEventListener("close", done));
  }
}`);
  expect(result.stdout).toBe("true true\n");
  expect(events.map(({ fields }) => Number(fields["worker"])).toSorted()).toEqual([0, 1, 2, 3, 7]);
  expect(streams).toHaveLength(5);
  expect(new Set(events.map(({ name }) => name))).toEqual(new Set(["test:tick"]));
});

test("the built-in providers are in Workers of both kinds, when node:worker_threads is imported late, too", async () => {
  await using place = new Place();
  const program = join(place.dir, "workers.ts");
  writeFileSync(
    program,
    `import { isMainThread } from "node:worker_threads";
import { Database } from "bun:sqlite";
if (isMainThread) {
  const own = new Worker(import.meta.url);
  await new Promise((done) => own.addEventListener("close", done));
  const { Worker: NodeWorker } = await import("node:worker_threads");
  const node = new NodeWorker(new URL(import.meta.url));
  await new Promise((done) => node.on("exit", done));
} else {
  new Database(":memory:").query("select 1").all();
}`,
  );
  const { stderr } = await run(place, program, { session: { enable: ["sqlite:*"] } });
  expect(stderr).toBe("");
  const events = await readTrace(place.output);
  expect(events.map(({ name }) => name)).toEqual(
    Array.from({ length: 2 }, () => ["sqlite:query_begin", "sqlite:query_end"]).flat(),
  );
});

test("a preload of the Worker's own comes after ours, however it is given", async () => {
  await using place = new Place();
  const program = join(place.dir, "workers.ts");
  const own = join(place.dir, "own.ts");
  writeFileSync(own, 'new (require("bun:sqlite").Database)(":memory:").query("select 1").all();');
  writeFileSync(
    program,
    `if (Bun.isMainThread) {
  for (const preload of [process.argv[2], [process.argv[2]]]) {
    const worker = new Worker(import.meta.url, { preload });
    await new Promise((done) => worker.addEventListener("close", done));
  }
}`,
  );
  const { stderr } = await run(place, program, { args: [own], session: { enable: ["sqlite:*"] } });
  expect(stderr).toBe("");
  expect((await readTrace(place.output)).map(({ name }) => name)).toEqual(
    Array.from({ length: 2 }, () => ["sqlite:query_begin", "sqlite:query_end"]).flat(),
  );
});

test("a ring that is used again has its memory, and takes no more", async () => {
  await using place = new Place();
  const program = join(import.meta.dirname, "programs/one-ring.ts");
  const { rings, memory } = (await runJson(place, program, {
    session: { subBufferSize: 4096, subBuffers: 4 },
  })) as { rings: number; memory: number[] };
  expect([rings, new Set(memory).size]).toEqual([1, 1]);
});

test(`${WORKERS} short Workers, 16 at a time and one after another: nothing lost, few rings`, async () => {
  const { events, result } = await recorded(
    `
if (Bun.isMainThread) {
  const count = Number(process.argv[2]);
  let next = 1;
  const one = async () => {
    const worker = new Worker(import.meta.url);
    worker.postMessage(next++);
    await new Promise((done) => worker.addEventListener("close", done));
  };
  const lane = async (last) => { while (next <= last) await one(); };
  await Promise.all(Array.from({ length: 16 }, () => lane(count * 0.75)));
  await lane(count);
  const { readdirSync, statSync } = require("node:fs");
  const dir = process.env.BUNTRACE_SESSION_DIR;
  for (const name of readdirSync(dir)) console.log(next - 1, statSync(dir + "/" + name).blocks * 512);
} else {
  self.onmessage = ({ data }) => {
    for (let n = 0; n < 20; n++) tick(data, n);
    process.exit();
  };
}`,
    [String(WORKERS)],
  );
  const [made, bytes] = result.stdout.trim().split(" ").map(Number);
  const found = byWorker(events);
  expect(found.size).toBe(made!);
  for (const numbers of found.values()) expect(numbers).toEqual(upTo(20));
  // 16 Workers and the main thread, and as many rings again that wait for the consumer.
  expect(bytes!).toBeLessThan(34 * 2_200_000);
}, 600_000);
