/**
 * LTTng for the comparison: builds lttng.c, starts a session daemon of our own, and
 * records what one process emits. Needs lttng-tools, liblttng-ust-dev and gcc. Runs in
 * the bench's process (the daemon) and in its cells (the recordings).
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";

/** 4 MiB a core: no burst overflows it. */
const CHANNEL = ["--subbuf-size=1M", "--num-subbuf=4"];

/** Names the daemon's directory, which is below the bench's, to its cells. */
const DIRECTORY = "LTTNG_HOME";

/** A program or library that emits. */
export function built(kind: "program" | "library"): string {
  return join(process.env[DIRECTORY] ?? "", kind === "program" ? "lttng" : "liblttng-bench.so");
}

async function run(...command: string[]): Promise<void> {
  const child = Bun.spawn(command, {
    cwd: import.meta.dirname,
    env: process.env,
    stdout: "ignore",
    stderr: "pipe",
  });
  const [errors, status] = await Promise.all([child.stderr.text(), child.exited]);
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}: ${errors}`);
}

/** The version, as `LTTng-UST 2.13.5`. */
export function lttngVersion(): string {
  const found = Bun.spawnSync(["dpkg-query", "-W", "-f=${Version}", "liblttng-ust-dev"]).stdout.toString();
  return `LTTng-UST ${found.replace(/-.*/, "")}`;
}

/**
 * Builds and starts everything in a directory, for this process and its children.
 * @returns what ends the daemon.
 * @throws Error when a Debian package is missing.
 */
export async function startLttng(dir: string): Promise<() => Promise<void>> {
  for (const tool of ["lttng", "lttng-sessiond", "gcc"])
    if (Bun.which(tool) === null)
      throw new Error(`${tool} is missing: apt-get install lttng-tools liblttng-ust-dev gcc libc6-dev`);
  mkdirSync(dir, { recursive: true });
  process.env[DIRECTORY] = dir;
  process.env["LTTNG_HOME"] = dir; // or the current session is noted in the user's home
  process.env["LTTNG_UST_HOME"] = dir;
  process.env["LTTNG_RUNDIR"] = join(dir, "run");
  process.env["LTTNG_UST_REGISTER_TIMEOUT"] = "-1";
  const from = ["gcc", "-O2", "-I", ".", "lttng.c", "-llttng-ust"];
  await run(...from, "-DPROGRAM", "-o", built("program"));
  await run(...from, "-fPIC", "-shared", "-o", built("library"));
  const daemon = Bun.spawn(["lttng-sessiond", "--no-kernel"], {
    env: process.env,
    stdout: "ignore",
    stderr: "ignore",
  });
  const stop = async (): Promise<void> => {
    daemon.kill("SIGTERM");
    await daemon.exited;
  };
  for (let attempt = 0; attempt < 200; attempt++) {
    const ready = Bun.spawn(["lttng", "--no-sessiond", "list"], {
      env: process.env,
      stdout: "ignore",
      stderr: "ignore",
    });
    if ((await ready.exited) === 0) return stop;
    await Bun.sleep(50);
  }
  await stop();
  throw new Error("lttng-sessiond does not answer");
}

/** Records into a directory what processes emit while `use` runs. */
export async function withLttngSession<R>(output: string, use: () => Promise<R>): Promise<R> {
  const name = `bench-${process.pid}`;
  await run("lttng", "create", name, `--output=${output}`);
  try {
    await run("lttng", "enable-channel", "--userspace", ...CHANNEL, "ch");
    await run("lttng", "enable-event", "--userspace", "--channel=ch", "bench:*");
    await run("lttng", "start");
    const result = await use();
    await run("lttng", "stop");
    return result;
  } finally {
    await run("lttng", "destroy", "--no-wait", name);
  }
}
