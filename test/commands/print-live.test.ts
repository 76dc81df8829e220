/** `buntrace print --live`, beside programs that are being recorded: what it prints, against what `print` and babeltrace2 read afterwards. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { cli, startCli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { ended } from "../support/run.ts";
import { LIBRARY, numbers } from "./steady.ts";
import { program } from "./ticking.ts";

setDefaultTimeout(120_000);

/**
 * Emits `test:event` from three threads until its input ends; says so when all have begun. The first thread emits long ones,
 * which fill a sub-buffer every few milliseconds; those of the others are on disk only when somebody asks for them.
 */
const THREADS = `
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { provider } from ${JSON.stringify(LIBRARY)};
const event = provider("test").tracepoint("event", [["who", "u32"], ["n", "u32"], ["text", "string"]]);
const who = isMainThread ? 0 : workerData;
const text = isMainThread ? "x".repeat(200) : "";
let n = 0;
const emit = () => { for (let i = 0; i < (isMainThread ? 8 : 1 + n % 3); i++) event(who, n++, text); };
emit();
const timer = setInterval(emit, 1);
if (isMainThread) {
  const workers = [1, 2].map((workerData) => new Worker(import.meta.path, { workerData }));
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("message", resolve))));
  console.log("all");
  for await (const _ of console) {}
  for (const worker of workers) { worker.postMessage("end"); await new Promise((resolve) => worker.once("exit", resolve)); }
  clearInterval(timer);
} else {
  parentPort.once("message", () => clearInterval(timer));
  parentPort.postMessage("begun");
}
`;

/** A line of JSON as printed. */
interface Line {
  readonly time?: string;
  readonly name?: string;
  readonly fields?: { readonly who?: number; readonly n?: number };
  readonly discarded_events?: number;
}

const parse = (text: string): Line[] =>
  text.split("\n").flatMap((one) => (one === "" ? [] : (JSON.parse(one) as Line)));

/** All but the time: the clock's frequency is known better at the end. */
const untimed = (lines: readonly Line[]): object[] =>
  lines.map((line) => ({ ...line, time: undefined, from: undefined, to: undefined }));

/** Reads a stream up to where the text so far is enough. */
function upTo(stream: ReadableStream<Uint8Array>): (isEnough: (text: string) => boolean) => Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  return async (isEnough) => {
    while (!isEnough(text)) {
      const { value, done } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
    return text;
  };
}

/** As {@link Bun.Subprocess}, whose stdout is read by {@link upTo}. */
async function endOf(command: ReturnType<typeof startCli>): Promise<{ stderr: string; status: number }> {
  const [stderr, status] = await Promise.all([command.stderr.text(), command.exited]);
  return { stderr, status };
}

test("three threads: each event once, in the order of their times, while they run", async () => {
  await using place = new Place();
  const recorder = startCli(place, [
    "record",
    "--mode",
    "block",
    "--sub-buffer-size",
    "16K",
    "--flush-period",
    "10m",
    program(place, THREADS),
  ]);
  await upTo(recorder.stdout)((text) => text.includes("all\n"));
  const live = startCli(place, ["print", "--live", "--json"]);
  const printed = upTo(live.stdout);
  // It runs on until its input ends: what is printed here is printed of a running program.
  await printed((text) => parse(text.slice(0, text.lastIndexOf("\n"))).length > 12_000);
  recorder.stdin.end();
  expect(await recorder.exited).toBe(0);
  const lines = parse(await printed(() => false));
  expect(await endOf(live)).toEqual({ stderr: "", status: 0 });
  const after = parse((await cli(place, ["print", "--json"])).stdout);
  expect(untimed(lines)).toEqual(untimed(after));
  expect(new Set(lines.map(({ fields }) => fields?.who)).size).toBe(4); // of three threads, and without any
  const times = lines.map(({ time = "" }) => time);
  expect(times).toEqual(times.toSorted());
});

test("a rotating, lossy recording that is killed: losses told once, and every event to the end", async () => {
  await using place = new Place();
  const source = `
import { provider } from ${JSON.stringify(LIBRARY)};
const event = provider("test").tracepoint("event", [["n", "u32"], ["text", "string"]]);
let n = 0;
console.log("begun");
setInterval(() => { for (let i = 0; i < 2000; i++) event(n++, "x".repeat(40)); }, 10);
`;
  const options = ["--rotate-size", "256K", "--sub-buffer-size", "16K", "--sub-buffers", "2"];
  const recorder = startCli(place, ["record", "-e", "test:*", ...options, program(place, source)]);
  await upTo(recorder.stdout)((text) => text.includes("begun\n"));
  const [{ pid = 0 } = {}] = parse((await cli(place, ["list", "--json"])).stdout) as { pid?: number }[];
  const live = startCli(place, ["print", "--live", "--json"]);
  const printed = upTo(live.stdout);
  await printed((text) => text.length > 1_500_000);
  process.kill(pid, "SIGKILL");
  await recorder.exited;
  const lines = parse(await printed(() => false));
  expect(await endOf(live)).toEqual({ stderr: "", status: 0 });
  const after = parse((await cli(place, ["print", "--json"])).stdout);
  expect(untimed(lines)).toEqual(untimed(after));
  const lost = (all: readonly Line[]): number =>
    all.reduce((sum, { discarded_events: count = 0 }) => sum + count, 0);
  expect(lost(after)).toBeGreaterThan(0);
});

test("programs of one recording, one after the other, and the filters of print", async () => {
  await using place = new Place();
  const source = `
import { provider } from ${JSON.stringify(LIBRARY)};
const event = provider("test").tracepoint("event", [["n", "u32"]]);
for (let n = 0; n < 10; n++) event(Number(process.argv[2]) + n);
console.log("begun");
process.stdin.once("data", () => process.exit());
`;
  const app = program(place, source);
  const script = `bun ${app} 0; echo between; read line; bun ${app} 100; exit 0`;
  const recorder = startCli(place, ["record", "sh", "-c", script]);
  const said = upTo(recorder.stdout);
  const say = (): void => {
    recorder.stdin.write("\n");
    recorder.stdin.flush();
  };
  await said((text) => text.includes("begun"));
  const live = startCli(place, ["print", "-l", "-e", "test:*", "--where", "n >= 5", "--time", "delta"]);
  const others = startCli(place, ["print", "-l", "-e", "no:such"]);
  const printed = upTo(live.stdout);
  const count = (text: string): number => text.split("\n").length - 1;
  await printed((text) => count(text) === 5);
  say();
  await said((text) => text.includes("between"));
  await Bun.sleep(800); // rounds in which nobody records
  say();
  await printed((text) => count(text) === 15);
  say();
  expect(await recorder.exited).toBe(0);
  const text = await printed(() => false);
  const values = [...text.matchAll(/ n = (\d+) /g)].map(([, n]) => Number(n));
  expect(values).toEqual([5, 6, 7, 8, 9, ...Array.from({ length: 10 }, (_, i) => 100 + i)]);
  // From one event to the next, over the rounds that printed them.
  expect(text.match(/\(\+\?/g)).toHaveLength(1);
  expect(await endOf(live)).toEqual({ stderr: "", status: 0 });
  others.stdin.end();
  const nothing = await ended(others);
  expect(nothing).toMatchObject({ stdout: "", status: 0 });
  expect(nothing.stderr).toContain("no event passes the filter; no event is called no:such");
  expect(await numbers(join(place.dir, "buntrace.data"), "test:event")).toHaveLength(20);
});

test("where nobody records, where nothing is, and where nothing is written before the end", async () => {
  await using place = new Place();
  const missing = await cli(place, ["print", "--live"]);
  expect(missing).toMatchObject({ stdout: "", status: 1 });
  expect(missing.stderr).toContain("buntrace.data");
  const app = program(place, THREADS);
  expect((await cli(place, ["record", app])).status).toBe(0);
  const over = await cli(place, ["print", "--live"]);
  expect(over.stderr).toBe("buntrace: nobody records to buntrace.data now: this is all there is\n");
  expect(over.stdout).toBe((await cli(place, ["print"])).stdout);
  const recorder = startCli(place, ["record", "--mode", "overwrite", app]);
  await upTo(recorder.stdout)((text) => text.includes("all\n"));
  const refused = await cli(place, ["print", "--live"]);
  expect(refused).toMatchObject({ stdout: "", status: 1 });
  expect(refused.stderr).toMatch(
    /^buntrace: .* \(pid \d+\) records in mode overwrite, .*: buntrace snapshot \d+ /,
  );
  recorder.stdin.end();
  await recorder.exited;
});
