/**
 * What does a server pay? A Bun.serve application at saturation, on one core, with wrk
 * on another: requests a second and latencies, bare, with four buntrace events a request,
 * and with OpenTelemetry's SDK (two spans) and pino (four lines) in their place. What
 * buntrace adds is compared within one process, whose events are on and off in turn: for a second, which
 * has latencies, and for 64 requests, chosen by chance, which is the more exact.
 * `bun bench/server.ts`, or `--small` for a test; `--rounds N`. Needs wrk and taskset;
 * loopback only.
 */
import { mkdirSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";

import { cellToRun, flag, machine, median, runCells, small, table, withTempDir } from "./support.ts";

const ROUNDS = Number(flag("rounds") ?? (small ? 1 : 8));
/** Pairs of a second with events and one without, in a round. */
const PAIRS = small ? 1 : 12;
/** Seconds of runs with events on or off by chance, in a round. */
const BY_CHANCE = small ? 1 : 4;
/** The other programs only after every so manieth pair: their differences are large. */
const SELDOM = 4;
/** Seconds. JavaScriptCore's top tier comes after some hundred thousand calls. */
const WARM_UP = small ? 0 : 3;
const CONNECTIONS = 16;
const OTHERS = ["bare", "pino", "OpenTelemetry SDK"] as const;
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

async function wrk({ port }: Server, seconds = 1): Promise<Seen> {
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

interface Server {
  readonly port: string;
  readonly stop: () => Promise<number>;
}

/** Starts a server of the application. */
async function start(name: string, dir: string): Promise<Server> {
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

/** Nanoseconds: the consumer's processor time so far, and a request's with events on and off by chance, and how many had them on. */
interface Told {
  readonly consumer: number;
  readonly on: number;
  readonly off: number;
  readonly traced: number;
}

/** Switches a server's events. */
async function switchEvents({ port }: Server, state: "on" | "off" | "random"): Promise<Told> {
  return (await (await fetch(`http://127.0.0.1:${port}/events/${state}`)).json()) as Told;
}

/** What four events add to a request in one process, and the consumer to those that have them: nanoseconds. */
async function byChance(traced: Server): Promise<Record<string, number>> {
  const before = await switchEvents(traced, "random");
  await wrk(traced, BY_CHANCE);
  const { consumer, on, off, traced: requests } = await switchEvents(traced, "off");
  return { off, added: on - off, consumer: (consumer - before.consumer) / requests };
}

/** Medians of what was seen, and of its ratios to what it is compared with. */
function summary(seen: readonly Seen[], compared: readonly Seen[]): Record<string, number> {
  const figures = FIGURES.flatMap((figure): [string, number][] => [
    [figure, median(seen.map((one) => one[figure]))],
    [`${figure}_ratio`, median(seen.map((one, i) => one[figure] / compared[i]![figure]))],
  ]);
  return Object.fromEntries(figures);
}

/** A round: a fresh server of each program, all idle but the one that is under load. */
async function round(): Promise<Record<string, unknown>> {
  return withTempDir(async (dir) => {
    const others = await Promise.all(OTHERS.map((name, i) => start(name, join(dir, String(i)))));
    const traced = await start("buntrace", join(dir, "traced"));
    const seen = OTHERS.map((): Seen[] => []);
    const on: Seen[] = [];
    const off: Seen[] = [];
    let chance: Record<string, number>;
    try {
      for (const server of WARM_UP > 0 ? [traced, ...others] : []) await wrk(server, WARM_UP);
      for (let pair = 0; pair < PAIRS; pair++) {
        for (const state of pair % 2 === 0 ? (["on", "off"] as const) : (["off", "on"] as const)) {
          await switchEvents(traced, state);
          (state === "on" ? on : off).push(await wrk(traced));
        }
        if (pair % SELDOM === 0) for (const [i, server] of others.entries()) seen[i]!.push(await wrk(server));
      }
      chance = await byChance(traced);
    } finally {
      for (const { stop } of [traced, ...others]) await stop();
    }
    const rows = OTHERS.map((name, i) => [name, summary(seen[i]!, seen[0]!)] as const);
    return {
      ...Object.fromEntries(rows),
      off: summary(off, off),
      buntrace: summary(on, off),
      chance,
    };
  });
}

if (cellToRun() !== undefined) console.log(JSON.stringify(await round()));
else {
  for (const tool of ["wrk", "taskset"])
    if (Bun.which(tool) === null) throw new Error(`${tool} is missing: apt-get install wrk util-linux`);
  const results = await runCells(import.meta.path, ["round"], ROUNDS);
  const percent = (ratio: number): string => `${ratio < 1 ? "" : "+"}${((ratio - 1) * 100).toFixed(1)}`;
  /** More than what it is compared with, and the rounds' least and most. */
  const more = (name: string, figure: string): string => {
    const ratio = `round.${name}.${figure}_ratio`;
    const [least, most] = results.range(ratio);
    return `${percent(results.of(ratio))} % (${percent(least)} to ${percent(most)})`;
  };
  const row = (title: string, name: string, compared: boolean): string[] => [
    title,
    results.of(`round.${name}.requests`).toFixed(0),
    compared ? more(name, "requests") : "",
    results.of(`round.${name}.p50`).toFixed(3),
    compared ? more(name, "p50") : "",
    results.of(`round.${name}.p99`).toFixed(3),
    compared ? more(name, "p99") : "",
  ];
  console.log(
    `${machine()}; medians of ${ROUNDS} rounds of fresh processes, in brackets the rounds' least and most; turns of 1 s each, ${CONNECTIONS} connections\n`,
  );
  console.log(
    table(
      ["server on one core", "requests/s", "", "p50, ms", "", "p99, ms", ""],
      [
        row("buntrace, its events off", "off", false),
        row("the same process, four events a request", "buntrace", true),
        row("bare", "bare", false),
        row("pino, four lines a request", "pino", true),
        row("OpenTelemetry SDK, two spans a request", "OpenTelemetry SDK", true),
      ],
    ),
  );
  const ns = (figure: string): string => {
    const name = `round.chance.${figure}`;
    const [least, most] = results.range(name);
    return `${results.of(name).toFixed(0)} ns (${least.toFixed(0)} to ${most.toFixed(0)})`;
  };
  const share = (figure: string): string =>
    `${(results.ratio(`round.chance.${figure}`, "round.chance.off") * 100).toFixed(2)} %`;
  console.log(
    `In runs of 64 requests with events on or off by chance, four events add ${ns("added")} to a request's ${ns("off")}: ${share("added")}; and the consumer, on the same core, takes ${ns("consumer")}: ${share("consumer")}.`,
  );
}
