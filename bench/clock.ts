/**
 * How far is an event's time in the trace from the system's clock? The program
 * reads CLOCK_REALTIME before and after each event; babeltrace2 says what the trace
 * has. After 60 seconds, or 1 with `--small`.
 */
import { dlopen } from "bun:ffi";
import { join } from "node:path";

import { openSession, provider } from "../src/index.ts";
import { machine, small, withTempDir } from "./support.ts";

const SECONDS = small ? 1 : 60;
const CLOCK_REALTIME = 0;

const { symbols: libc } = dlopen("libc.so.6", { clock_gettime: { args: ["i32", "buffer"], returns: "i32" } });
const timespec = new BigInt64Array(2);

function realtime(): bigint {
  libc.clock_gettime(CLOCK_REALTIME, timespec);
  return timespec[0]! * 1_000_000_000n + timespec[1]!;
}

await withTempDir(async (dir) => {
  const output = join(dir, "trace");
  const pairs: [before: bigint, after: bigint][] = [];
  {
    await using session = await openSession({ output });
    void session;
    const tick = provider("clock").tracepoint("tick", [["n", "u32"]]);
    const start = performance.now();
    for (let i = 0; performance.now() - start < SECONDS * 1000; i++) {
      const before = realtime();
      tick(i);
      pairs.push([before, realtime()]);
      await Bun.sleep(20);
    }
  }
  const { stdout } = Bun.spawnSync(["babeltrace2", "--clock-seconds", output], { stdout: "pipe" });
  const times = [...stdout.toString().matchAll(/^\[(\d+)\.(\d{9})\]/gm)].map(
    ([, s, ns]) => BigInt(s!) * 1_000_000_000n + BigInt(ns!),
  );
  if (times.length !== pairs.length)
    throw new Error(`${pairs.length} events emitted, ${times.length} in the trace`);
  const outside = pairs.map(([before, after], i) => {
    const at = times[i]!;
    return Number(at < before ? before - at : at > after ? at - after : 0n) / 1000;
  });
  const worst = (part: readonly number[]): string => Math.max(...part).toFixed(1);
  const tenth = Math.max(1, Math.floor(outside.length / 10));
  console.log(
    `${machine()}; ${pairs.length} events over ${SECONDS} s; worst distance outside the pair of readings\n`,
  );
  console.log("| part of the recording | us |\n|---|---|");
  console.log(`| first tenth | ${worst(outside.slice(0, tenth))} |`);
  console.log(`| all | ${worst(outside)} |`);
  console.log(`| last tenth | ${worst(outside.slice(-tenth))} |`);
});
