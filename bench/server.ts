/**
 * What does a server pay? A Bun.serve application at saturation, on one core, with wrk
 * on another: requests a second and latencies, bare, with four buntrace events a request,
 * and with OpenTelemetry's SDK (two spans) and pino (four lines) in their place.
 * `bun bench/server.ts`, or `--small` for a test. Needs wrk and taskset; loopback only.
 */
import { mkdirSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";

import { cellToRun, machine, median, runCells, small, table, withTempDir } from "./support.ts";

const ROUNDS = small ? 1 : 3;
/** Seconds that each server is under load, in a round. */
const TURNS = small ? 1 : 7;
const WARM_UP = small ? 0 : 2;
const CONNECTIONS = 16;
const NAMES = ["bare", "buntrace", "pino", "OpenTelemetry SDK"];
const SERVER_CORE = 0;
const CLIENT_CORE = cpus().length - 1;

/** Milliseconds of a time as wrk writes it. */
function milliseconds(text: string, percentile: string): number {
  const [, number, unit] = new RegExp(`${percentile}%\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? [];
  if (number === undefined) throw new Error(`wrk says no ${percentile} % latency: ${text}`);
  return Number(number) * (unit === "us" ? 0.001 : unit === "s" ? 1000 : 1);
}

async function wrk(port: string): Promise<string> {
  const url = `http://127.0.0.1:${port}/items/42`;
  const options = ["-t1", `-c${CONNECTIONS}`, "-d1s", "--latency", url];
  const child = Bun.spawn(["taskset", "-c", String(CLIENT_CORE), "wrk", ...options], { stdout: "pipe" });
  const text = await child.stdout.text();
  if ((await child.exited) !== 0 || text.includes("Non-2xx") || text.includes("Socket errors"))
    throw new Error(`wrk failed: ${text}`);
  return text;
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

/** A round: a fresh server of each, all idle but the one that is under load for a second, in turn. */
async function round(): Promise<Record<string, Record<string, number>>> {
  return withTempDir(async (dir) => {
    const servers = await Promise.all(NAMES.map((name, i) => start(name, join(dir, String(i)))));
    const seen = NAMES.map(() => ({ requests: [0], p50: [0], p99: [0] }));
    try {
      for (let turn = -WARM_UP; turn < TURNS; turn++) {
        for (const [i, { port }] of servers.entries()) {
          const text = await wrk(port);
          if (turn === 0) seen[i] = { requests: [], p50: [], p99: [] };
          seen[i]!.requests.push(Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]));
          seen[i]!.p50.push(milliseconds(text, "50"));
          seen[i]!.p99.push(milliseconds(text, "99"));
        }
      }
    } finally {
      for (const { stop } of servers) await stop();
    }
    return Object.fromEntries(
      seen.map(({ requests, p50, p99 }, i) => [
        NAMES[i]!,
        { requests: median(requests), p50: median(p50), p99: median(p99) },
      ]),
    );
  });
}

const cell = cellToRun();
if (cell !== undefined) console.log(JSON.stringify(await round()));
else {
  for (const tool of ["wrk", "taskset"])
    if (Bun.which(tool) === null) throw new Error(`${tool} is missing: apt-get install wrk util-linux`);
  const results = await runCells(import.meta.path, ["round"], ROUNDS);
  const more = (name: string, figure: string): string => {
    const ratio = results.ratio(`round.${name}.${figure}`, `round.bare.${figure}`);
    return `${ratio < 1 ? "" : "+"}${((ratio - 1) * 100).toFixed(1)} %`;
  };
  console.log(
    `${machine()}; medians of ${ROUNDS} rounds of ${TURNS} s each, in turn; ${CONNECTIONS} connections\n`,
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
}
