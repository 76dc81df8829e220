/**
 * What do others cost? The same events through LTTng-UST, from C and through bun:ffi,
 * and through what JavaScript programs use, in one run: nanoseconds an event that the
 * caller sees, bytes an event on disk, and how much of it is there after a tight loop
 * and after SIGKILL. `bun bench/compare/compare.ts [payloads | peers]`, or `--small` for
 * a test. Needs lttng-tools, liblttng-ust-dev and gcc.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { openTraces } from "../../src/ctf/index.ts";
import { Lttng } from "../../test/support/lttng.ts";
import { consumersOf, waitFor } from "../../test/support/processes.ts";
import { bursts } from "../payloads.ts";
import { cellToRun, flag, machine, runCells, sessionDirOf, small, table, withTempDir } from "../support.ts";
import { type Peer, peers } from "./peers.ts";

const ROUNDS = small ? 1 : 3;
/** A program in C, not in {@link peers}. */
const LTTNG_C = "LTTng-UST from C";
const LTTNG_FFI = "LTTng-UST through bun:ffi";
/** 4 MiB a core: no burst overflows it. */
const LTTNG_CHANNEL = ["--subbuf-size=1M", "--num-subbuf=4"];
/** Makes a run as long as a test. */
const scale = small ? 0.02 : 1;

/** What a run emits, and how it ends. */
interface Plan {
  readonly burst: number;
  readonly warmUp: number;
  readonly bursts: number;
  /** Between bursts: wait for room, for so many milliseconds, or not at all. */
  readonly pause: "settle" | number;
  readonly end: "exit" | "kill";
}

/** How each kind of cell runs a peer. */
const plans: Readonly<Record<string, (peer: Peer) => Plan>> = {
  // Bursts that fit the buffers, so that what is measured is the event and no wait or loss.
  bursts: ({ burst, warmUp, bursts }) => ({
    burst,
    warmUp: Math.ceil(warmUp * scale),
    bursts: Math.ceil(bursts * scale),
    pause: "settle",
    end: "exit",
  }),
  tight: ({ burst }) => ({
    burst: (burst === 50_000 ? 2_000_000 : 500_000) * scale,
    warmUp: 0,
    bursts: 1,
    pause: 0,
    end: "exit",
  }),
  // As a program that has been at work for a while, and dies at once.
  kill: () => ({ burst: 1000, warmUp: 0, bursts: 20, pause: 1, end: "kill" }),
};

/** The process that emits: what it has measured goes to a file, since stdout may be the output. */
async function write(name: string, payload: string, dir: string, plan: Plan): Promise<void> {
  const writer = await peers[name]!.open(dir, payload);
  let ns = 0;
  for (let i = 0; i < plan.warmUp + plan.bursts; i++) {
    const start = Bun.nanoseconds();
    writer.emit(plan.burst);
    if (i >= plan.warmUp) ns += Bun.nanoseconds() - start;
    if (plan.end === "kill" && i === plan.bursts - 1) process.kill(process.pid, "SIGKILL");
    if (plan.pause === "settle") await writer.settle();
    else if (plan.pause > 0) await Bun.sleep(plan.pause);
  }
  await writer.close();
  writeFileSync(join(dir, "ns"), String(ns / (plan.bursts * plan.burst)));
}

function command(name: string, payload: string, dir: string, plan: Plan): string[] {
  if (name !== LTTNG_C)
    return [process.execPath, import.meta.path, "--write", name, payload, dir, JSON.stringify(plan)];
  const pauseMs = plan.pause === "settle" ? 20 : plan.pause;
  const numbers = [plan.bursts, plan.warmUp, plan.burst, pauseMs * 1000];
  return [process.env["BENCH_LTTNG_PROGRAM"] ?? "", payload, ...numbers.map(String), plan.end];
}

/** Runs a peer to its end, and says what it took and left. */
async function measure(kind: string, name: string, payload: string): Promise<Record<string, number>> {
  const peer = peers[name === LTTNG_C ? LTTNG_FFI : name]!;
  const plan = plans[kind]!(peer);
  return withTempDir(async (dir) => {
    const stdout = join(dir, "stdout");
    const emit = async (): Promise<void> => {
      const child = Bun.spawn(command(name, payload, dir, plan), {
        env: process.env,
        stdout: Bun.file(stdout),
        stderr: "pipe",
      });
      const [errors, status] = await Promise.all([child.stderr.text(), child.exited]);
      if (plan.end === "exit" && (status !== 0 || errors !== ""))
        throw new Error(`${name} ended with ${status}: ${errors}`);
    };
    const output = join(dir, peer.output);
    if (name.startsWith("LTTng")) {
      const recording = { name: `bench-${process.pid}`, output, channel: LTTNG_CHANNEL, events: "bench:*" };
      await new Lttng(process.env["LTTNG_HOME"]).record(recording, emit);
    } else await emit();
    await waitFor("the consumer to finish", () => consumersOf(sessionDirOf(dir)).length === 0);
    const { found, bytes } = left(output, peer.mark);
    const emitted = plan.burst * (plan.bursts + plan.warmUp);
    if (kind === "bursts" && found < emitted && !small)
      console.error(`${emitted - found} of ${emitted} events are lost: not what this measures`);
    const figures = { found: found / emitted, bytes: bytes / found };
    if (plan.end === "kill") return { found: figures.found };
    return { ...figures, ns: Number(readFileSync(name === LTTNG_C ? stdout : join(dir, "ns"), "utf8")) };
  });
}

/** The events in a peer's output, and its bytes; of traces those of the stream files. */
function left(output: string, mark: Peer["mark"]): { found: number; bytes: number } {
  if (mark === undefined) {
    const set = openTraces(output);
    let found = 0;
    for (const stream of set.streams) for (const { length } of set.batches(stream)) found += length;
    return { found, bytes: streamFiles(output).reduce((sum, file) => sum + statSync(file).size, 0) };
  }
  const file = Bun.file(output);
  if (typeof mark === "number") return { found: Math.floor(file.size / mark), bytes: file.size };
  let text = "";
  try {
    text = readFileSync(output, "latin1");
  } catch {
    // Never written: nothing is there.
  }
  return { found: text.matchAll(mark).reduce((count) => count + 1, 0), bytes: text.length };
}

function streamFiles(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && file.name !== "metadata" && !file.name.endsWith(".idx"))
    .map((file) => join(file.parentPath, file.name));
}

/** Builds what emits to LTTng. @returns what tells the cells where it is */
async function buildLttng(lttng: Lttng): Promise<Record<string, string>> {
  const source = join(import.meta.dirname, "lttng.c");
  return {
    BENCH_LTTNG_PROGRAM: await lttng.compile(source, "program", "-DPROGRAM"),
    BENCH_LTTNG_LIBRARY: await lttng.compile(source, "liblttng-bench.so", "-fPIC", "-shared"),
  };
}

/** The version, as `LTTng-UST 2.13.5`. */
function lttngVersion(): string {
  const found = Bun.spawnSync(["dpkg-query", "-W", "-f=${Version}", "liblttng-ust-dev"]).stdout.toString();
  return `LTTng-UST ${found.replace(/-.*/, "")}`;
}

function versions(): string {
  const of = (name: string): string => {
    const { version } = require(`${name}/package.json`) as { version: string };
    return `${basename(name)} ${version}`;
  };
  return [lttngVersion(), of("pino"), of("@opentelemetry/sdk-trace-base")].join(", ");
}

/** Every payload, beside LTTng-UST. */
async function comparePayloads(): Promise<void> {
  const all = Object.keys(bursts);
  const names = ["buntrace", LTTNG_C, LTTNG_FFI];
  const cells = all.flatMap((payload) => names.map((name) => `bursts/${payload}/${name}`));
  const results = await runCells(import.meta.path, cells, ROUNDS);
  const columns = [
    "payload",
    "buntrace, ns",
    "LTTng-UST from C, ns",
    "ratio",
    "through bun:ffi, ns",
    "ratio",
  ];
  const rows = all.map((payload) => {
    const cell = (name: string, figure: string): string => `bursts/${payload}/${name}.${figure}`;
    const ours = cell("buntrace", "ns");
    const ns = (name: string): string => results.of(cell(name, "ns")).toFixed(1);
    const ratio = (name: string): string => results.ratio(ours, cell(name, "ns")).toFixed(2);
    const bytes = (name: string): string => results.of(cell(name, "bytes")).toFixed(2);
    return [
      payload,
      ns("buntrace"),
      ns(LTTNG_C),
      ratio(LTTNG_C),
      ns(LTTNG_FFI),
      ratio(LTTNG_FFI),
      bytes("buntrace"),
      bytes(LTTNG_C),
    ];
  });
  console.log(table([...columns, "buntrace, bytes/event", "LTTng-UST, bytes/event"], rows));
}

/** Two f64 through everything. */
async function comparePeers(): Promise<void> {
  const names = [...Object.keys(peers), LTTNG_C];
  const cells = names.flatMap((name) => Object.keys(plans).map((kind) => `${kind}/two_f64/${name}`));
  const results = await runCells(import.meta.path, cells, Math.ceil(ROUNDS / 2));
  const rows = names
    .toSorted((a, b) => results.of(`bursts/two_f64/${a}.ns`) - results.of(`bursts/two_f64/${b}.ns`))
    .map((name) => {
      const figure = (kind: string, what: string): number => results.of(`${kind}/two_f64/${name}.${what}`);
      return [
        name,
        figure("bursts", "ns").toFixed(1),
        figure("tight", "ns").toFixed(1),
        figure("bursts", "bytes").toFixed(1),
        percent(figure("tight", "found")),
        percent(figure("kill", "found")),
      ];
    });
  const columns = ["two f64", "in bursts, ns", "tight loop, ns", "bytes/event on disk"];
  console.log(table([...columns, "found after a tight loop", "found after SIGKILL"], rows));
}

/** Never rounded up to all. */
function percent(part: number): string {
  return `${Math.floor(part * 1000) / 10} %`;
}

const cell = cellToRun();
if (process.argv[2] === "--write") {
  const [name, payload, dir, plan] = process.argv.slice(3) as [string, string, string, string];
  await write(name, payload, dir, JSON.parse(plan) as Plan);
} else if (cell !== undefined) {
  const [kind, payload, name] = cell.split("/") as [string, string, string];
  console.log(JSON.stringify(await measure(kind, name, payload)));
} else {
  const only = flag("only") ?? process.argv.find((word) => word === "payloads" || word === "peers");
  await withTempDir(async (dir) => {
    await using lttng = new Lttng(join(dir, "lttng"));
    await lttng.start();
    Object.assign(process.env, lttng.environment, await buildLttng(lttng));
    console.log(`${machine()}; ${versions()}; medians of ${ROUNDS} rounds, each cell a fresh process\n`);
    if (only !== "peers") await comparePayloads();
    if (only !== "payloads") await comparePeers();
  });
}
