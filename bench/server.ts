/**
 * What does a server pay? A Bun.serve application at saturation, on one core, with wrk
 * on another: requests a second and latencies, bare, with four buntrace events a request,
 * and with OpenTelemetry's SDK (two spans) and pino (four lines) in their place; and, more
 * exactly than two processes can be compared, what a request takes longer in one process
 * whose events are on and off in turn. `bun bench/server.ts`, or `--small` for a test;
 * `--rounds N`. Needs wrk and taskset; loopback only.
 */
import { mkdirSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";

import { cellToRun, flag, machine, median, runCells, small, table, withTempDir } from "./support.ts";

const ROUNDS = Number(flag("rounds") ?? (small ? 1 : 6));
/** Seconds that bare and buntrace are under load, in a round: one and one, in turn. */
const TURNS = small ? 1 : 7;
/** The others only in every so manieth turn: their differences are large. */
const SELDOM = 4;
/** Seconds. JavaScriptCore's top tier comes after some hundred thousand calls. */
const WARM_UP = small ? 0 : 3;
const SELDOM_WARM_UP = small ? 0 : 1;
/** Seconds under load in one process whose events are switched. */
const SWITCHED = small ? 1 : 4;
const CONNECTIONS = 16;
const NAMES = ["bare", "buntrace", "pino", "OpenTelemetry SDK"];
const FIGURES = ["requests", "p50", "p99"] as const;
const SERVER_CORE = 0;
const CLIENT_CORE = cpus().length - 1;

type Seen = Record<(typeof FIGURES)[number], number>;

/** Milliseconds of a time as wrk writes it. */
function milliseconds(text: string, percentile: string): number {
  const [, number, unit] = new RegExp(`${percentile}%\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? [];
  if (number === undefined) throw new Error(`wrk says no ${percentile} % latency: ${text}`);
  return Number(number) * (unit === "us" ? 0.001 : unit === "s" ? 1000 : 1);
}

async function wrk(port: string, seconds = 1): Promise<Seen> {
  const url = `http://127.0.0.1:${port}/items/42`;
  const options = ["-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, "--latency", url];
  const child = Bun.spawn(["taskset", "-c", String(CLIENT_CORE), "wrk", ...options], { stdout: "pipe" });
  const text = await child.stdout.text();
  if ((await child.exited) !== 0 || text.includes("Non-2xx") || text.includes("Socket errors"))
    throw new Error(`wrk failed: ${text}`);
  return {
    requests: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
    p50: milliseconds(text, "50"),
    p99: milliseconds(text, "99"),
  };
}

/** A server of the application, warm. */
async function start(name: string, dir: string): Promise<{ port: string; stop: () => Promise<number> }> {
  const app = join(import.meta.dirname, "programs/server.ts");
  mkdirSync(dir);
  const server = Bun.spawn(["taskset", "-c", String(SERVER_CORE), process.execPath, app, name, dir], {
    env: process.env, // as it is now
    stdout: "pipe",
    stderr: "inherit",
  });
  const { value } = await server.stdout.getReader().read();
  const port = new TextDecoder().decode(value).trim();
  const stop = (): Promise<number> => {
    server.kill();
    return server.exited;
  };
  if (port === "") throw new Error(`${name} ended with ${await stop()}`);
  return { port, stop };
}

/** Medians of a server's turns, and of their ratios to the bare one's, each of the same turn. */
function summary(turns: ReadonlyMap<number, Seen>, bare: ReadonlyMap<number, Seen>): Record<string, number> {
  const figures = FIGURES.flatMap((figure): [string, number][] => [
    [figure, median([...turns.values()].map((seen) => seen[figure]))],
    [
      `${figure}_ratio`,
      median([...turns].map(([turn, seen]) => seen[figure] / (bare.get(turn)?.[figure] ?? NaN))),
    ],
  ]);
  return Object.fromEntries(figures);
}

/** A round: a fresh server of each, all idle but the one that is under load, in turn, and in the other order next. */
async function round(): Promise<Record<string, Record<string, number>>> {
  return withTempDir(async (dir) => {
    const servers = await Promise.all(NAMES.map((name, i) => start(name, join(dir, String(i)))));
    const seen = NAMES.map(() => new Map<number, Seen>());
    const often = [0, 1];
    const all = NAMES.map((_name, i) => i);
    try {
      for (const i of WARM_UP > 0 ? all : [])
        await wrk(servers[i]!.port, often.includes(i) ? WARM_UP : SELDOM_WARM_UP);
      for (let turn = 0; turn < TURNS; turn++) {
        const order = turn % SELDOM === 0 ? all : often;
        for (const i of turn % 2 === 0 ? order : order.toReversed())
          seen[i]!.set(turn, await wrk(servers[i]!.port));
      }
    } finally {
      for (const { stop } of servers) await stop();
    }
    return Object.fromEntries(seen.map((turns, i) => [NAMES[i]!, summary(turns, seen[0]!)]));
  });
}

/** One server whose events are on and off in turn: nanoseconds a request. */
async function switched(): Promise<Record<string, number>> {
  return withTempDir(async (dir) => {
    const { port, stop } = await start("switched", join(dir, "0"));
    const times = async (): Promise<Record<string, number>> =>
      (await fetch(`http://127.0.0.1:${port}/times`)).json() as Promise<Record<string, number>>;
    try {
      if (WARM_UP > 0) await wrk(port, WARM_UP);
      await times();
      await wrk(port, SWITCHED);
      const { off = NaN, on = NaN, consumer = NaN } = await times();
      return { off, events: on - off, consumer };
    } finally {
      await stop();
    }
  });
}

const cell = cellToRun();
if (cell !== undefined) console.log(JSON.stringify(await (cell === "round" ? round() : switched())));
else {
  for (const tool of ["wrk", "taskset"])
    if (Bun.which(tool) === null) throw new Error(`${tool} is missing: apt-get install wrk util-linux`);
  const results = await runCells(import.meta.path, ["round", "switched"], ROUNDS);
  const percent = (ratio: number): string => `${ratio < 1 ? "" : "+"}${((ratio - 1) * 100).toFixed(1)}`;
  /** Over the bare one, with the rounds' least and most. */
  const more = (name: string, figure: string): string => {
    const ratio = `round.${name}.${figure}_ratio`;
    const [least, most] = results.range(ratio);
    return name === "bare" ? "" : `${percent(results.of(ratio))} % (${percent(least)} to ${percent(most)})`;
  };
  console.log(
    `${machine()}; medians of ${ROUNDS} rounds of fresh processes, in brackets the rounds' least and most; ${TURNS} turns of 1 s each, ${CONNECTIONS} connections\n`,
  );
  console.log(
    table(
      ["server on one core", "requests/s", "", "p50, ms", "", "p99, ms", ""],
      NAMES.map((name) => [
        name,
        results.of(`round.${name}.requests`).toFixed(0),
        more(name, "requests"),
        results.of(`round.${name}.p50`).toFixed(3),
        more(name, "p50"),
        results.of(`round.${name}.p99`).toFixed(3),
        more(name, "p99"),
      ]),
    ),
  );
  const off = results.of("switched.off");
  const row = (name: string, ns: number, [least, most]: readonly [number, number]): string[] => [
    name,
    `${ns.toFixed(0)} (${least.toFixed(0)} to ${most.toFixed(0)})`,
    `${((ns / off) * 100).toFixed(2)} %`,
  ];
  console.log(
    table(
      ["one process, events on and off in turn", "ns a request", ""],
      [
        row("a request without events", off, results.range("switched.off")),
        row("its four events", results.of("switched.events"), results.range("switched.events")),
        row(
          "the consumer's processor time",
          results.of("switched.consumer"),
          results.range("switched.consumer"),
        ),
      ],
    ),
  );
}
