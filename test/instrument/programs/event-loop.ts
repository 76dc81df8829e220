/**
 * Blocks its event loop, or its Worker's, as its arguments say, WAY:MS each, and tells each time in an
 * event of its own: `event-loop.ts [main|worker] WAY:MS ...`. The ways are below; before each the loop
 * runs, but before `first`. `quiet` lets it run and tells what delays it saw itself, `stdin` waits for a
 * line. After the last it ends by itself.
 */
import { provider } from "../../../src/index.ts";

const test = provider("test");
const blocking = test.tracepoint("blocking", [["way", "string"]]);
/** How long, and how much processor time the process had meanwhile. */
const blocked = test.tracepoint("blocked", [
  ["ns", "u53"],
  ["cpu_ns", "u53"],
]);
/** How long it let the loop run, and the longest time in which that did not come back. */
const ran = test.tracepoint("ran", [
  ["ns", "u53"],
  ["longest_ns", "u53"],
]);

function used(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

const until = (end: number): boolean => Bun.nanoseconds() < end;

const ways: Record<string, (ms: number) => unknown> = {
  spin: (ms) => {
    for (const end = Bun.nanoseconds() + ms * 1e6; until(end););
  },
  sleep: (ms) => Bun.sleepSync(ms),
  first: (ms) => Bun.sleepSync(ms),
  child: (ms) => Bun.spawnSync(["sleep", String(ms / 1000)]),
  microtasks: async (ms) => {
    for (const end = Bun.nanoseconds() + ms * 1e6; until(end);) await undefined;
  },
};

/** The loop's next rounds: whatever was due has its turn. */
const rounds = (): Promise<void> => Bun.sleep(350);

async function run(step: string): Promise<void> {
  const [way = "", ms = ""] = step.split(":");
  if (way === "quiet") return quiet(Number(ms));
  if (way === "stdin") return line();
  if (way !== "first") await rounds();
  blocking(way);
  const [time, cpu] = [Bun.nanoseconds(), used()];
  if (way === "exit") ways["spin"]?.(Number(ms));
  else await ways[way]?.(Number(ms));
  blocked(Bun.nanoseconds() - time, used() - cpu);
  if (way === "exit") process.exit();
  await rounds();
}

async function quiet(ms: number): Promise<void> {
  await rounds();
  blocking("quiet");
  const start = Bun.nanoseconds();
  let longest = 0;
  for (let last = start; last < start + ms * 1e6;) {
    await Bun.sleep(4);
    longest = Math.max(longest, Bun.nanoseconds() - last);
    last = Bun.nanoseconds();
  }
  ran(Bun.nanoseconds() - start, longest);
}

async function line(): Promise<void> {
  console.log("waiting");
  for await (const _ of console) break;
}

const [where, ...steps] = process.argv.slice(2);
if (where === "worker" && Bun.isMainThread) {
  ways["spin"]?.(400); // processor time that is not the Worker's
  const worker = new Worker(import.meta.url, { argv: ["main", ...steps] });
  worker.addEventListener("close", () => console.log("the Worker has ended"));
} else {
  for (const step of steps) await run(step);
  console.log("end");
}
