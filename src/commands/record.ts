/**
 * `buntrace record`: runs a program and traces it. Runs in the command's process,
 * the parent of the traced one: it hands over the settings, forwards signals, waits
 * for the consumers to finish and says what was recorded.
 */
import { statfsSync } from "node:fs";
import { constants } from "node:os";

import { type Command, InvalidArgumentError, Option } from "commander";

import { preloadPath } from "../bundle.ts";
import { EXIT_USAGE, UserError } from "../errors.ts";
import { type Native } from "../record/native.ts";
import { type PreparedOutput, prepareOutput, prepareSnapshots, restoreOutput } from "../record/output.ts";
import { ensureSessionDir } from "../record/session-dir.ts";
import { HEADER_BYTES, MAX_EVENTS, MODES, WHEN_FULL } from "../record/session-file.ts";
import {
  checkOptions,
  DEFAULTS,
  type RecordSettings,
  type SessionOptions,
  SETTINGS_VARIABLE,
  writeSettings,
} from "../record/settings.ts";
import { native } from "../record/thread.ts";
import { startProgress } from "../report/recording-progress.ts";
import { closingLine } from "../report/summary.ts";
import { findProgram } from "./program.ts";
import { RecordedSessions } from "./recorded-sessions.ts";

/** Exit status when buntrace itself failed, as env(1) does. */
const EXIT_RECORDER_FAILED = 125;

/** As the first process of a container: what it leaves to the kernel is killed with it. */
const FIRST_PROCESS = process.pid === 1;

/** Signals that whoever runs `record` may send to end or poke the program. */
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

interface RecordOptions {
  readonly output?: string;
  readonly enable?: string[];
  readonly mode?: string;
  readonly subBufferSize?: number;
  readonly subBuffers?: number;
  readonly flushPeriod?: number;
  readonly blockTimeout?: number;
  readonly sessionDir?: string;
  readonly follow?: boolean;
  readonly maxSize?: number;
  readonly whenFull?: string;
  readonly rotateSize?: number;
  readonly rotatePeriod?: number;
  readonly maxChunks?: number;
  readonly snapshotOnError?: string;
}

/** Adds `record` to the command line. */
export function recordCommand(program: Command): void {
  program
    .command("record")
    .summary("run a program and trace it")
    .description(
      "Run a program and trace it; it needs no change. Everything after the program's name is the program's.",
    )
    .usage("[options] PROGRAM [ARGS...]")
    .argument(
      "<program>",
      "a script (app.ts), `bun` with its arguments, or an executable made by `bun build --compile`",
    )
    .argument("[args...]", "the program's own arguments")
    .option("-o, --output <dir>", 'directory for the traces, or "null" to write nothing', "buntrace.data")
    .option(
      "-e, --enable <glob>",
      'event types to record, as "http:*" or "*@warning"; repeatable; default all',
      collect,
    )
    .option("--mode <mode>", `when a ring is full: ${MODES.join(", ")}`, "discard")
    .addOption(
      new Option("--sub-buffer-size <bytes>", "size of a sub-buffer, as 256K or 1M")
        .argParser(parseBytes)
        .default(DEFAULTS.subBufferSize, "256K"),
    )
    .option("--sub-buffers <n>", "sub-buffers of a ring", parseCount, DEFAULTS.subBuffers)
    .addOption(
      new Option("--flush-period <time>", "time until events are on disk, as 500ms or 2s")
        .argParser(parseTime)
        .default(DEFAULTS.flushPeriod, "1s"),
    )
    .addOption(
      new Option("--block-timeout <time>", "in block mode, how long an event waits for room")
        .argParser(parseTime)
        .default(DEFAULTS.blockTimeout, "1s"),
    )
    .option("--max-size <bytes>", "most bytes of a stream (a thread), as 100M; default no limit", parseBytes)
    .option(
      "--when-full <what>",
      `what a stream does at --max-size: ${WHEN_FULL.join(", ")}; default ${WHEN_FULL[0]}`,
    )
    .option("--rotate-size <bytes>", "bytes after which the trace goes on in another directory", parseBytes)
    .option(
      "--rotate-period <time>",
      "time after which the trace goes on in another directory, as 60s or 1h",
      parseTime,
    )
    .option("--max-chunks <n>", "directories that rotation keeps; the oldest go", parseCount)
    .option(
      "--snapshot-on-error <dir>",
      "at an uncaught error, write what the rings hold to a trace of its own in this directory",
    )
    .option("--session-dir <dir>", "directory of the session file; default on tmpfs")
    .option("--follow", "trace the Bun programs that the program starts, too (default)")
    .option("--no-follow", "trace the program alone, with its Workers")
    .passThroughOptions()
    .action(record);
}

async function record(program: string, args: string[], options: RecordOptions, self: Command): Promise<void> {
  const command = findProgram(program, args);
  const { settings, output, native } = prepare(options, self);
  const sessions = new RecordedSessions(settings.sessionDir, process.pid);
  const start = performance.now();
  const signals = holdSignals(native);
  let child: Bun.Subprocess;
  try {
    child = Bun.spawn(command, {
      stdio: ["inherit", "inherit", "inherit"],
      env: { ...process.env, ...environment(settings) },
    });
  } catch (error) {
    if (output) restoreOutput(output);
    throw new UserError(
      `${program} cannot be started: ${error instanceof Error ? error.message : String(error)}`,
      126,
    );
  }
  signals.forwardTo(child);
  const reaping = FIRST_PROCESS ? reapOrphans(native, child.pid) : undefined;
  const progress = startProgress(() => {
    const { events, bytes, lost } = sessions.totals();
    return { events, bytes, lost, seconds: (performance.now() - start) / 1000 };
  });
  await child.exited;
  reaping?.stop();
  const unfinished = await sessions.finished(native, FIRST_PROCESS);
  progress.stop();
  const totals = sessions.totals();
  if (output && totals.programs === 0) restoreOutput(output);
  // Not console.error, which paints terminals red.
  const { signalCode } = child;
  const signal = typeof signalCode === "number" ? `signal ${signalCode}` : (signalCode ?? undefined);
  const line = closingLine(totals, settings, unfinished, () => sessions.eventTypes(), signal);
  process.stderr.write(`${line}\n`);
  sessions.remove();
  if (signalCode !== null)
    native.steer.bt_die_by(typeof signalCode === "number" ? signalCode : constants.signals[signalCode]);
  process.exit(child.exitCode ?? EXIT_RECORDER_FAILED);
}

/** Checks everything that can be checked before the program starts. */
function prepare(
  options: RecordOptions,
  self: Command,
): {
  settings: RecordSettings & { output: string; sessionDir: string };
  /** Undefined where nothing is written. */
  output: PreparedOutput | undefined;
  native: Native;
} {
  let status = EXIT_USAGE;
  try {
    const checked = checkOptions(options as SessionOptions);
    status = EXIT_RECORDER_FAILED;
    const loaded = native();
    if (typeof loaded === "string") throw new Error(loaded);
    const sessionDir = ensureSessionDir(loaded, checked.sessionDir);
    checkRoom(sessionDir, checked.subBufferSize * checked.subBuffers);
    const prepared = checked.output === undefined ? undefined : prepareOutput(checked.output, sessionDir);
    const output = prepared?.path ?? "null";
    const snapshots =
      checked.snapshotOnError === undefined
        ? {}
        : { snapshotOnError: prepareSnapshots(checked.snapshotOnError, output, sessionDir).path };
    // As asked for, not as checked: the program checks them again.
    const asked = options as SessionOptions & { follow?: boolean };
    return {
      settings: { ...asked, ...snapshots, output, sessionDir, recorder: process.pid, bunOption: bunOption() },
      output: prepared,
      native: loaded,
    };
  } catch (error) {
    throw new UserError(withOptions(error instanceof Error ? error.message : String(error), self), status);
  }
}

/** A message about `openSession`'s options in the words of the command line: subBuffers is --sub-buffers. */
function withOptions(message: string, { options }: Command): string {
  return options
    .map((option) => [option.attributeName(), option.long ?? ""] as const)
    .filter(([name]) => /[A-Z]/.test(name))
    .reduce((text, [name, long]) => text.replaceAll(new RegExp(`\\b${name}\\b`, "g"), long), message);
}

/** A ring that does not fit is better said before the program runs. */
function checkRoom(sessionDir: string, ringBytes: number): void {
  const { bavail, bsize } = statfsSync(sessionDir);
  const needed = HEADER_BYTES + MAX_EVENTS + ringBytes;
  if (bavail * bsize >= needed) return;
  throw new Error(
    `${sessionDir} has ${bavail * bsize} bytes free and a ring needs ${needed}: ` +
      "use smaller --sub-buffer-size or --sub-buffers, or another --session-dir",
  );
}

/** The preload as BUN_OPTIONS takes it. */
function bunOption(): string {
  const preload = preloadPath();
  // The whole token in quotes: Bun splits the variable at white space outside them.
  return /\s/.test(preload) ? `"--preload=${preload}"` : `--preload=${preload}`;
}

/** What makes every Bun program below this one record itself. */
function environment(settings: RecordSettings): Record<string, string> {
  const before = process.env["BUN_OPTIONS"];
  return {
    BUN_OPTIONS: `${settings.bunOption ?? ""} ${before ?? ""}`.trim(),
    [SETTINGS_VARIABLE]: writeSettings(settings),
  };
}

/**
 * Takes the signals that would end this process before the program's end, and
 * passes on those that the program has not got: the terminal's Ctrl+C goes to the
 * whole foreground, the program included; what a process sends comes here alone.
 */
function holdSignals({ steer }: Native): { forwardTo(child: Bun.Subprocess): void } {
  let child: Bun.Subprocess | undefined;
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      const sent = steer.bt_take_signals(constants.signals[signal]) > 0;
      if (sent) child?.kill(signal);
    });
    steer.bt_watch_signal(constants.signals[signal]);
  }
  return {
    forwardTo(started) {
      child = started;
    },
  };
}

/** Waits for the orphans that end while the program runs: nobody else would. */
function reapOrphans({ steer }: Native, child: number): { stop(): void } {
  const reap = (): void => steer.bt_reap_orphans(child);
  process.on("SIGCHLD", reap);
  reap();
  return { stop: () => process.off("SIGCHLD", reap) };
}

function collect(glob: string, before: string[] = []): string[] {
  return [...before, glob];
}

function parseCount(text: string): number {
  if (!/^[0-9]+$/.test(text)) throw new InvalidArgumentError("use a whole number.");
  return Number(text);
}

function parseBytes(text: string): number {
  const match = /^([0-9]+)([KMG]?)i?B?$/i.exec(text);
  const factor = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[match?.[2]?.toUpperCase() ?? ""];
  if (!match || factor === undefined)
    throw new InvalidArgumentError("use a number of bytes, as 65536, 256K or 1M.");
  return Number(match[1]) * factor;
}

const MS_OF = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function parseTime(text: string): number {
  const match = /^([0-9]+)(ms|s|m|h|d)?$/.exec(text);
  if (!match)
    throw new InvalidArgumentError("use milliseconds, or a unit, as 500, 500ms, 2s, 10m, 1h or 1d.");
  return Number(match[1]) * MS_OF[(match[2] ?? "ms") as keyof typeof MS_OF];
}
