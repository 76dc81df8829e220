/**
 * What does an event cost the program? Nanoseconds an event by payload, warm, in
 * bursts that fit the ring, beside the C floor with the same payload and a disabled
 * tracepoint beside an empty loop. `bun bench/emit.ts`, or `--small` for a test.
 */
import { dlopen, ptr } from "bun:ffi";
import { join } from "node:path";

import { compile } from "../shim/build.ts";
import { openSession, provider } from "../src/index.ts";
import { cellToRun, machine, median, runCells, small, withTempDir } from "./support.ts";

const ROUNDS = small ? 1 : 11;
/** 50,000 of the largest record are 1.8 MB: below the ring's 2 MiB. */
const BURST = 50_000;
const BURSTS = small ? 4 : 100;
/** JavaScriptCore's top tier comes after about half a million calls. */
const WARM_UP = small ? 2 : 30;
const FLOOR_RING_BYTES = 2 * 1024 * 1024;

const texts = [
  "GET /index/of/page22",
  "GET /index/of/page23",
  "GET /index/of/page24",
  "GET /index/of/page25",
] as const;
const bench = provider("bench");

/** A burst of each payload. Loops are written out: a callback would be measured too. */
const bursts: Record<string, () => (n: number) => void> = {
  none: () => {
    const event = bench.tracepoint("none");
    return (n) => {
      for (let i = 0; i < n; i++) event();
    };
  },
  i32: () => {
    const event = bench.tracepoint("i32", [["a", "i32"]]);
    return (n) => {
      for (let i = 0; i < n; i++) event(i);
    };
  },
  two_f64: () => {
    const event = bench.tracepoint("two_f64", [
      ["a", "f64"],
      ["b", "f64"],
    ]);
    return (n) => {
      for (let i = 0; i < n; i++) event(i, i * 0.5);
    };
  },
  i32_string: () => {
    const event = bench.tracepoint("i32_string", [
      ["a", "i32"],
      ["s", "string"],
    ]);
    return (n) => {
      for (let i = 0; i < n; i++) event(i, texts[i & 3]!);
    };
  },
  eight: () => {
    const event = bench.tracepoint("eight", [
      ["a", "i32"],
      ["b", "f64"],
      ["c", "u8"],
      ["d", "u16"],
      ["e", "i32"],
      ["f", "f64"],
      ["g", "bool"],
      ["h", "u32"],
    ]);
    return (n) => {
      for (let i = 0; i < n; i++) event(i, i * 0.5, i & 255, i & 65535, i, i * 0.25, (i & 1) === 1, i);
    };
  },
};

/** Nanoseconds an event of a traced payload. */
async function traced(burst: (n: number) => void, enable: string[]): Promise<number> {
  return withTempDir(async (dir) => {
    await using session = await openSession({ output: join(dir, "trace"), enable });
    let ns = 0;
    for (let i = 0; i < WARM_UP + BURSTS; i++) {
      const start = Bun.nanoseconds();
      burst(BURST);
      if (i >= WARM_UP) ns += Bun.nanoseconds() - start;
      await session.flush();
    }
    const lost = session.info()?.discardedTold ?? 0n;
    if (lost > 0n && !small) console.error(`${lost} events were discarded: not what this measures`);
    return ns / (BURSTS * BURST);
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
  const burst = bursts.two_f64!();
  if (kind === "untraced") return loop(burst);
  if (kind === "disabled") return traced(burst, ["no:such"]);
  return traced(bursts[payload]!(), []);
}

const cell = cellToRun();
if (cell !== undefined) {
  console.log(await runCell(cell));
} else {
  const payloads = Object.keys(bursts);
  const cells = [
    ...payloads.flatMap((name) => [`floor/${name}`, `emit/${name}`]),
    "empty",
    "untraced",
    "disabled",
  ];
  const results = await runCells(import.meta.path, cells, ROUNDS);
  const of = (name: string): number => median(results.get(name)!);
  const ratio = (a: string, b: string): number =>
    median(results.get(a)!.map((value, round) => value / results.get(b)![round]!));
  console.log(`${machine()}; medians of ${ROUNDS} rounds, each cell a fresh process\n`);
  console.log("| payload | floor, ns | buntrace, ns | ratio |\n|---|---|---|---|");
  for (const name of payloads)
    console.log(
      `| ${name} | ${of(`floor/${name}`).toFixed(1)} | ${of(`emit/${name}`).toFixed(1)} | ${ratio(`emit/${name}`, `floor/${name}`).toFixed(2)} |`,
    );
  console.log("\n| off | ns | over an empty loop |\n|---|---|---|");
  for (const name of ["empty", "untraced", "disabled"])
    console.log(`| ${name} | ${of(name).toFixed(2)} | ${(of(name) - of("empty")).toFixed(2)} |`);
}
