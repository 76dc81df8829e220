/**
 * Runs programs under the recorder as `--preload` does it, so that the programs
 * themselves hold tracepoints and nothing else. Runs in the test process.
 */
import { join } from "node:path";

import {
  type RecordSettings,
  SETTINGS_VARIABLE,
  type SessionOptions,
  writeSettings,
} from "../../src/record/settings.ts";
import type { Place } from "./place.ts";

const PRELOAD = join(import.meta.dirname, "../../src/preload.ts");

/** How to run a program. */
export interface RunOptions {
  readonly args?: readonly string[];
  /** What stands before the program: flags of bun, or a command such as `test`. */
  readonly bunArgs?: readonly string[];
  /** Over the test's own environment; undefined removes. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Of the session; default: the provider `test` only, the place's directories. */
  readonly session?: SessionOptions;
  /** False: not traced at all. */
  readonly traced?: boolean;
  readonly cwd?: string;
  /** What is put before the whole command, as `unshare -m`. */
  readonly wrap?: readonly string[];
  readonly stdin?: "pipe";
}

/** A program that has ended. */
export interface Ended {
  readonly pid: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Null when a signal ended it. */
  readonly status: number | null;
  readonly signal: string | null;
}

/** The command of a program under the recorder. */
export function commandOf(program: string, options: RunOptions = {}): string[] {
  const { args = [], bunArgs = [], traced = true, wrap = [] } = options;
  const preload = traced ? [`--preload=${PRELOAD}`] : [];
  // `bun test --preload=..`: the command comes first.
  const [first, ...rest] = bunArgs;
  const flags = first === "test" ? ["test", ...rest, ...preload] : [...bunArgs, ...preload];
  return [...wrap, process.execPath, ...flags, program, ...args];
}

/** The environment of a program under the recorder. */
export function environmentOf(place: Place, options: RunOptions = {}): Record<string, string | undefined> {
  const settings: RecordSettings = {
    recorder: 0,
    output: place.output,
    sessionDir: place.sessionDir,
    enable: ["test:*"],
    ...options.session,
  };
  return {
    ...process.env,
    BUNTRACE_SESSION_DIR: place.sessionDir,
    [SETTINGS_VARIABLE]: options.traced === false ? undefined : writeSettings(settings),
    ...options.env,
  };
}

/** Starts a program; its stdout and stderr are piped. */
export function start(
  place: Place,
  program: string,
  options: RunOptions = {},
): Bun.Subprocess<"pipe" | "ignore", "pipe", "pipe"> {
  return Bun.spawn(commandOf(program, options), {
    cwd: options.cwd ?? place.dir,
    env: environmentOf(place, options),
    stdin: options.stdin ?? "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** Resolves when a started program has ended. */
export async function ended(program: Bun.Subprocess<"pipe" | "ignore", "pipe", "pipe">): Promise<Ended> {
  const [stdout, stderr] = await Promise.all([program.stdout.text(), program.stderr.text()]);
  await program.exited;
  const signal = program.signalCode === null ? null : String(program.signalCode);
  return { pid: program.pid, stdout, stderr, status: signal === null ? program.exitCode : null, signal };
}

/** Runs a program to its end and its trace's. */
export async function run(place: Place, program: string, options: RunOptions = {}): Promise<Ended> {
  const result = await ended(start(place, program, options));
  await place.recorded();
  return result;
}

/**
 * As {@link run}, for programs that must end well.
 * @returns what the program printed, parsed as JSON.
 */
export async function runJson(place: Place, program: string, options: RunOptions = {}): Promise<unknown> {
  const { stdout, stderr, status, signal } = await run(place, program, options);
  if (status !== 0 || stderr !== "")
    throw new Error(`${program} ended with ${status ?? signal}: ${stdout.slice(-2000)}\n${stderr}`);
  return JSON.parse(stdout);
}
