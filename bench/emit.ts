/**
 * What does an event cost the program? Nanoseconds an event by payload and mode, warm
 * and cold, in bursts that fit the ring, beside the C floor with the same payload; and
 * a tracepoint that is off beside an empty loop. `bun bench/emit.ts`, or `--small` for a
 * test.
 */
import { dlopen, ptr } from "bun:ffi";
import { join } from "node:path";

import { compile } from "../shim/build.ts";
import { openSession, type SessionOptions } from "../src/index.ts";
import { bursts } from "./payloads.ts";
import { cellToRun, machine, runCells, small, table, withTempDir } from "./support.ts";

const ROUNDS = small ? 1 : 11;
/** 50,000 of the largest record are 1.8 MB: below the ring's 2 MiB. */
const BURST = 50_000;
const BURSTS = small ? 4 : 100;
/** JavaScriptCore's top tier comes after about half a million calls. */
const WARM_UP = small ? 2 : 30;
/** Events of a program that has just started. */
const COLD = 1000;
const FLOOR_RING_BYTES = 2 * 1024 * 1024;

/** Nanoseconds an event of a traced payload. */
async function traced(burst: (n: number) => void, options: SessionOptions): Promise<number> {
  return withTempDir(async (dir) => {
    await using session = await openSession({ ...options, output: join(dir, "trace") });
    let ns = 0;
    for (let i = 0; i < WARM_UP + BURSTS; i++) {
      const start = Bun.nanoseconds();
      burst(BURST);
      if (i >= WARM_UP) ns += Bun.nanoseconds() - start;
      await session.flush();
    }
    const lost = session.info()?.discardedTold ?? 0n;
    if (lost > 0n && !small && options.mode !== "overwrite")
      console.error(`${lost} events were discarded: not what this measures`);
    return ns / (BURSTS * BURST);
  });
}

/** Nanoseconds of each of the first events. */
async function cold(burst: (n: number) => void): Promise<number> {
  return withTempDir(async (dir) => {
    await using session = await openSession({ output: join(dir, "trace") });
    void session;
    const start = Bun.nanoseconds();
    burst(COLD);
    return (Bun.nanoseconds() - start) / COLD;
  });
}

function loop(burst: (n: number) => void): number {
  for (let i = 0; i < WARM_UP; i++) burst(BURST);
  const start = Bun.nanoseconds();
  for (let i = 0; i < BURSTS; i++) burst(BURST);
  return (Bun.nanoseconds() - start) / (BURSTS * BURST);
}

async function floor(payload: string): Promise<number> {
  return withTempDir(async (dir) => {
    const library = join(dir, "floor.so");
    compile(library, [
      "-O2",
      "-shared",
      "-fPIC",
      "-fno-sanitize=undefined",
      join(import.meta.dirname, "floor.c"),
    ]);
    const name = `floor_${payload}`;
    const { symbols } = dlopen(library, { [name]: { args: ["ptr", "u32", "u32"], returns: "void" } });
    const ring = new Uint8Array(FLOOR_RING_BYTES + 64).fill(1);
    const run = symbols[name]!;
    return loop((n) => run(ptr(ring), FLOOR_RING_BYTES - 1, n));
  });
}

async function runCell(cell: string): Promise<number> {
  const [kind, payload = ""] = cell.split("/");
  if (kind === "floor") return floor(payload);
  if (kind === "empty") {
    let sum = 0;
    const value = loop((n) => {
      for (let i = 0; i < n; i++) sum = (sum + i) | 0;
    });
    return sum === 1 ? 0 : value;
  }
  if (kind === "cold") return cold(bursts[payload]!());
  if (kind === "emit") return traced(bursts[payload]!(), {});
  const burst = bursts["two_f64"]!();
  if (kind === "untraced") return loop(burst);
  if (kind === "disabled") return traced(burst, { enable: ["no:such"] });
  return traced(burst, { mode: kind === "block" ? "block" : "overwrite" });
}

const cell = cellToRun();
if (cell !== undefined) {
  console.log(await runCell(cell));
} else {
  const payloads = Object.keys(bursts);
  const off = ["empty", "untraced", "disabled"];
  const modes = ["emit/two_f64", "block", "overwrite"];
  const cells = [
    ...payloads.flatMap((name) => [`floor/${name}`, `emit/${name}`, `cold/${name}`]),
    ...modes.slice(1),
    ...off,
  ];
  const results = await runCells(import.meta.path, cells, ROUNDS);
  const ns = (name: string): string => results.of(name).toFixed(1);
  console.log(`${machine()}; medians of ${ROUNDS} rounds, each cell a fresh process\n`);
  console.log(
    table(
      ["payload", "floor, ns", "buntrace, ns", "ratio", `the first ${COLD} events, ns`],
      payloads.map((name) => [
        name,
        ns(`floor/${name}`),
        ns(`emit/${name}`),
        results.ratio(`emit/${name}`, `floor/${name}`).toFixed(2),
        ns(`cold/${name}`),
      ]),
    ),
  );
  console.log(
    table(
      ["mode, two f64", "ns"],
      ["discard", "block", "overwrite"].map((mode, i) => [mode, ns(modes[i]!)]),
    ),
  );
  console.log(
    table(
      ["off, two f64", "ns", "over an empty loop"],
      off.map((name) => [
        name,
        results.of(name).toFixed(2),
        (results.of(name) - results.of("empty")).toFixed(2),
      ]),
    ),
  );
}
