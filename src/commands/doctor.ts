/**
 * `buntrace doctor`: whether this machine can record, and how well: it looks at what a
 * recording needs, then makes one of a program that kills itself, and reads it. Runs
 * in the command's process.
 */
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";

import type { Command } from "commander";

import { openTraces } from "../ctf/trace.ts";
import { EXIT_ERROR } from "../errors.ts";
import { ensureSessionDir, findSessions } from "../record/session-dir.ts";
import { HEADER_BYTES } from "../record/session-file.ts";
import { DEFAULTS, defaultSessionDir } from "../record/settings.ts";
import { native } from "../record/thread.ts";
import { bytesText, countText, many } from "../report/number-text.ts";
import { Output } from "../report/output.ts";
import { palette } from "../report/style.ts";
import type { Trial } from "./doctor-trial.ts";
import { sessionRow } from "./session-table.ts";

/** Ten bursts of the trial: enough for warm code, and for each page of the ring to have been used. */
const TRIAL_EVENTS = 1_000_000;

/** How long the consumer may take to finish the trial, milliseconds. */
const TRIAL_TIMEOUT_MS = 10_000;

/** Threads for which there should be room: main, a pool of Workers, and some. */
const WANTED_THREADS = 16;

/** A ring of default size. */
const RING_BYTES = DEFAULTS.subBufferSize * DEFAULTS.subBuffers + HEADER_BYTES;

const CLOCK_SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/** What one look found. */
interface Finding {
  readonly check: string;
  /** "fail": nothing can be recorded as things are. */
  readonly state: "ok" | "warn" | "fail";
  readonly text: string;
}

type Found = Omit<Finding, "check">;

const ok = (text: string): Found => ({ state: "ok", text });
const warn = (text: string): Found => ({ state: "warn", text });
const fail = (text: string): Found => ({ state: "fail", text });

interface DoctorOptions {
  readonly output: string;
  readonly sessionDir: string;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function doctorCommand(program: Command): void {
  program
    .command("doctor")
    .description("tell whether this machine can record, and how well, by a trial")
    .option("-o, --output <dir>", "directory for traces", "buntrace.data")
    .option("--session-dir <dir>", "directory of the session files", defaultSessionDir())
    .option("--json", "print a JSON object a line")
    .action(doctor);
}

async function doctor(options: DoctorOptions): Promise<void> {
  const out = new Output(1);
  const { warning, unknown } = palette(process.stdout);
  const styles = { ok: { open: "", close: "" }, warn: warning, fail: unknown };
  for await (const finding of findings(options)) {
    const { check, state, text } = finding;
    const { open, close } = styles[state];
    out.write(
      options.json
        ? `${JSON.stringify(finding)}\n`
        : `${open}${state.padEnd(4)}${close}  ${check.padEnd(11)}  ${text}\n`,
    );
    out.flush(); // the trial takes a moment
    if (state === "fail") process.exitCode = EXIT_ERROR;
  }
}

/** Looks at one thing after the other; of what needs a thing that fails, nothing more is tried. */
async function* findings({ output, sessionDir }: DoctorOptions): AsyncGenerator<Finding> {
  let failed = false;
  const found = (check: string, finding: Found): Finding => {
    failed ||= finding.state === "fail";
    return { check, ...finding };
  };
  yield found("bun", ok(`${Bun.version}, ${process.platform} ${process.arch}`));
  yield found("binaries", binaries());
  yield found("processors", processors());
  if (failed) return;
  yield found("sessions", sessions(sessionDir));
  const disk = above(output);
  yield found("output", writable(output, disk));
  if (failed) return;
  const trial = await tryOut(disk, sessionDir);
  if ("clock" in trial) yield found("clock", clock(trial));
  yield found("trial", trial.finding);
}

function binaries(): Found {
  const loaded = native();
  return typeof loaded === "string" ? fail(loaded) : ok(resolve(loaded.consumerPath, ".."));
}

function processors(): Found {
  const count = availableParallelism();
  if (count > 1) return ok(`${count} to run on`);
  return warn(
    "1 to run on: while the program is busy the consumer gets little of it; try more --sub-buffers, or --mode block",
  );
}

function sessions(sessionDir: string): Found {
  const loaded = native();
  if (typeof loaded === "string") return fail(loaded);
  let path: string;
  try {
    path = ensureSessionDir(loaded, sessionDir);
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
  const free = freeBytes(path);
  const threads = Math.floor(free / RING_BYTES);
  const room = `${path}: ${bytesText(free)} free, room for the rings of ${many(threads, "thread")}`;
  if (threads === 0)
    return fail(`${room}; name another with --session-dir, or use a smaller --sub-buffer-size`);
  if (threads < WANTED_THREADS) return warn(`${room}; a smaller --sub-buffer-size makes room for more`);
  const stale = findSessions(path).filter((session) => sessionRow(session)?.state === "stale");
  if (stale.length === 0) return ok(room);
  return warn(`${room}; ${many(stale.length, "recording")} left unfinished: buntrace recover`);
}

/** The nearest directory that is there: the output itself need not be. */
function above(output: string): string {
  let there = resolve(output);
  while (!existsSync(there)) there = dirname(there);
  return there;
}

function writable(output: string, disk: string): Found {
  try {
    accessSync(disk, constants.W_OK | constants.X_OK);
  } catch {
    return fail(`${disk} cannot be written; name another with -o`);
  }
  const free = freeBytes(disk);
  const text = `${resolve(output)}: ${bytesText(free)} free`;
  return free === 0 ? fail(`${text}; name another with -o`) : ok(text);
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

function clock({ clock: used, frequency }: { clock: Trial["clock"]; frequency: bigint }): Found {
  if (used === "cycles") return ok(`the processor's cycle counter, ${countText(frequency)} Hz`);
  const source = existsSync(CLOCK_SOURCE) ? readFileSync(CLOCK_SOURCE, "utf8").trim() : "unknown";
  return warn(
    `the kernel's monotonic clock, which makes an event dearer: the cycle counter is not steady here (clocksource ${source})`,
  );
}

/** Records a program that kills itself on the disk of the output, and reads what it left. */
async function tryOut(
  disk: string,
  sessionDir: string,
): Promise<{ finding: Found } | { finding: Found; clock: Trial["clock"]; frequency: bigint }> {
  const dir = mkdtempSync(join(disk, ".buntrace-doctor-"));
  try {
    const output = join(dir, "trace");
    const program = join(import.meta.dirname, "doctor-trial.ts");
    const child = Bun.spawn([process.execPath, program, output, sessionDir, String(TRIAL_EVENTS)], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [said, errors] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    if (child.signalCode !== "SIGKILL" || !said.startsWith("{"))
      return { finding: fail(`a program cannot be recorded: ${errors.trim().split("\n")[0] ?? ""}`) };
    const { nanoseconds, clock }: Trial = JSON.parse(said);
    if (!(await finished(sessionDir, child.pid)))
      return {
        finding: fail(
          `the consumer did not finish within ${TRIAL_TIMEOUT_MS / 1000} s: buntrace list shows it`,
        ),
      };
    const { inOrder, frequency } = readTrial(output);
    const text =
      `${countText(TRIAL_EVENTS)} events of a program that was killed with SIGKILL, ${nanoseconds.toFixed(1)} ns each: ` +
      (inOrder === TRIAL_EVENTS ? "all are in the trace" : `only ${countText(inOrder)} are in the trace`);
    return { finding: inOrder === TRIAL_EVENTS ? ok(text) : fail(text), clock, frequency };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Waits for a session's end: its consumer removes the file then. */
async function finished(sessionDir: string, pid: number): Promise<boolean> {
  const deadline = performance.now() + TRIAL_TIMEOUT_MS;
  while (findSessions(sessionDir, pid).length > 0) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(5);
  }
  return true;
}

/** How many of the trial's events are there, one after the other from 0, and its clock's frequency. */
function readTrial(output: string): { inOrder: number; frequency: bigint } {
  const set = openTraces(output);
  try {
    let inOrder = 0;
    for (const { fields } of set.events()) if (fields?.["number"] === inOrder) inOrder += 1;
    return { inOrder, frequency: set.traces[0]?.traceClass.clocks[0]?.frequency ?? 0n };
  } finally {
    set.close();
  }
}
