/**
 * The commands that look at and steer running programs: `list`, `enable`, `disable`,
 * `flush`, `stop`, `snapshot`, and `recover` for programs that are gone. They share
 * one thing, the session file of a pid. Run in the command's process.
 */
import { rmSync } from "node:fs";

import type { Command } from "commander";

import { UserError } from "../errors.ts";
import type { Native } from "../record/native.ts";
import { cString, ERROR_BYTES, textOf } from "../record/native.ts";
import { parseGlob } from "../record/glob.ts";
import { ensureSessionDir, findSessions, type FoundSession } from "../record/session-dir.ts";
import { defaultSessionDir } from "../record/settings.ts";
import { switchEvents } from "../record/switch.ts";
import { DEFAULT_SNAPSHOT_OUTPUT, takeSnapshot } from "../record/snapshot.ts";
import { native } from "../record/thread.ts";
import { bytesText, countText, many } from "../report/summary.ts";
import { recoverSession } from "./recover.ts";
import { sessionRow, sessionTable } from "./session-table.ts";

/** How long `flush` and `stop` wait for the consumer, milliseconds. */
const TIMEOUT_MS = 10_000;

interface DirOption {
  readonly sessionDir: string;
}

/** Adds the commands to the program. */
export function liveCommands(program: Command): void {
  const command = (usage: string, summary: string): Command =>
    program
      .command(usage)
      .summary(summary)
      .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
      .option("--session-dir <dir>", "directory of the session files", defaultSessionDir());

  command("list", "list the programs that are being recorded")
    .option("--json", "one JSON object a line")
    .action((options: DirOption & { json?: boolean }) => {
      const rows = open(options).sessions.flatMap((session) => sessionRow(session) ?? []);
      if (options.json) for (const row of rows) console.log(JSON.stringify(row));
      else process.stdout.write(sessionTable(rows));
    });
  command("enable <pid> <glob>", "switch events on in a running program").action(
    (pid: string, glob: string, options: DirOption) => switchIn(pid, glob, true, options),
  );
  command("disable <pid> <glob>", "switch events off in a running program").action(
    (pid: string, glob: string, options: DirOption) => switchIn(pid, glob, false, options),
  );
  command("flush <pid>", "write what a running program has emitted to disk now").action(flush);
  command("stop <pid>", "end a recording; the program runs on untraced").action(stop);
  command("snapshot <pid>", "write what the rings of a running program hold as a trace of its own")
    .option("-o, --output <dir>", "directory for the trace", DEFAULT_SNAPSHOT_OUTPUT)
    .action((pid: string, options: DirOption & { output: string }) => {
      const { shim, session } = find(pid, options);
      const { events, discarded, bytes, traceDir } = attempt(() =>
        takeSnapshot(shim, session.path, session.info.traceDir, options.output),
      );
      process.stderr.write(
        `buntrace: ${countText(events)} events, ${bytesText(bytes)}, ${countText(discarded)} lost or overwritten -> ${traceDir}\n`,
      );
    });
  command("recover [pid]", "finish the traces of programs that died together with their consumers").action(
    (pid: string | undefined, options: DirOption) => recover(pid, options),
  );
}

/** The sessions of a directory, and the shim to reach them with. */
function open({ sessionDir }: DirOption): { shim: Native; sessions: FoundSession[] } {
  const shim = native();
  if (typeof shim === "string") throw new UserError(shim);
  const dir = attempt(() => ensureSessionDir(shim, sessionDir));
  return { shim, sessions: findSessions(dir) };
}

function find(pid: string, options: DirOption): { shim: Native; session: FoundSession } {
  const { shim, sessions } = open(options);
  const session = sessions.find(({ info }) => String(info.pid) === pid && !info.finished);
  if (!session) throw new UserError(`no program with pid ${pid} is being recorded; see buntrace list`);
  return { shim, session };
}

/** Errors of the recording side are for the user here. */
function attempt<R>(work: () => R): R {
  try {
    return work();
  } catch (error) {
    throw new UserError(error instanceof Error ? error.message : String(error));
  }
}

function switchIn(pid: string, glob: string, on: boolean, options: DirOption): void {
  attempt(() => parseGlob(glob));
  const { session } = find(pid, options);
  const { switched, names } = attempt(() => switchEvents(session.path, glob, on));
  process.stderr.write(
    `buntrace: ${many(switched, "event type")} switched ${on ? "on" : "off"} in ${pid}` +
      `${names === 0 ? "; none has such a name yet, later ones will be" : ""}\n`,
  );
}

async function flush(pid: string, options: DirOption): Promise<void> {
  const { shim, session } = find(pid, options);
  const error = Buffer.alloc(ERROR_BYTES);
  const request = shim.shim.bt_tell_flush(cString(session.path), error);
  if (request < 0) throw new UserError(textOf(error));
  await until(session.path, options, (info) => (info.flushDone - request) << 1 >= 0, "flush");
}

async function stop(pid: string, options: DirOption): Promise<void> {
  const { shim, session } = find(pid, options);
  const error = Buffer.alloc(ERROR_BYTES);
  if (shim.shim.bt_tell_finish(cString(session.path), error) < 0) throw new UserError(textOf(error));
  await until(session.path, options, ({ finished }) => finished, "finish");
  process.stderr.write(`buntrace: ${pid} is no longer recorded; its trace is ${session.info.traceDir}\n`);
}

/** Waits until the session says so, or its file is gone: it is finished. */
async function until(
  path: string,
  { sessionDir }: DirOption,
  done: (info: FoundSession["info"]) => boolean,
  what: string,
): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const session = findSessions(sessionDir).find((found) => found.path === path);
    if (!session || done(session.info)) return;
    if (performance.now() > deadline)
      throw new UserError(
        `the consumer (pid ${session.info.consumerPid}) did not ${what} within ${TIMEOUT_MS / 1000} s`,
      );
    await Bun.sleep(2);
  }
}

async function recover(pid: string | undefined, options: DirOption): Promise<void> {
  const { shim, sessions } = open(options);
  const chosen = sessions.filter(({ info }) => pid === undefined || String(info.pid) === pid);
  if (pid !== undefined && chosen.length === 0)
    throw new UserError(`there is no session file of pid ${pid} in ${options.sessionDir}`);
  let failed = 0;
  for (const session of chosen) {
    const { state, text } = await recoverSession(shim, session);
    if (state === "failed") failed++;
    if (state === "recovered") rmSync(session.path, { force: true });
    if (state !== "live" || pid !== undefined) process.stderr.write(`buntrace: ${text}\n`);
  }
  if (chosen.length === 0) process.stderr.write(`buntrace: nothing to recover in ${options.sessionDir}\n`);
  if (failed > 0) throw new UserError(`${failed} of ${chosen.length} sessions could not be recovered`);
}
