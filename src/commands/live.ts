/**
 * The commands that look at and steer running programs: `list`, `enable`, `disable`,
 * `flush`, `stop`, `snapshot`, and `recover` for programs that are gone. They share
 * one thing, the session file of a pid. Run in the command's process.
 */
import { existsSync, rmSync } from "node:fs";

import type { Command } from "commander";

import { EXIT_USAGE, UserError } from "../errors.ts";
import type { Native } from "../record/native.ts";
import { cString, ERROR_BYTES, textOf } from "../record/native.ts";
import { parseGlob } from "../record/glob.ts";
import { isRunning } from "../record/process.ts";
import {
  ensureSessionDir,
  type FoundSession,
  readSessionDir,
  type SessionDir,
  type UnreadableSession,
} from "../record/session-dir.ts";
import { defaultSessionDir } from "../record/settings.ts";
import { switchEvents } from "../record/switch.ts";
import { DEFAULT_SNAPSHOT_OUTPUT, takeSnapshot } from "../record/snapshot.ts";
import { native } from "../record/thread.ts";
import { bytesText, countText, many } from "../report/number-text.ts";
import { Output } from "../report/output.ts";
import { flushed, until } from "./flushed.ts";
import { mayBeInUse, recoverSession, removeUnreadable } from "./recover.ts";
import { printable, sessionRow, sessionTable } from "./session-table.ts";

interface DirOption {
  readonly sessionDir: string;
}

/** Adds the commands to the program. */
export function liveCommands(program: Command): void {
  const command = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option("--session-dir <dir>", "directory of the session files", defaultSessionDir());
  const commandOnPid = (name: string, description: string): Command =>
    command(name, description).argument("<pid>", "process id, as buntrace list shows it", parsePid);
  const commandOnEvents = (name: string, description: string): Command =>
    commandOnPid(name, description).argument("<glob>", 'event types, as "http:*" or "*@warning"');

  command("list", "list the programs that are being recorded")
    .option("--json", "print a JSON object a line")
    .action(list);
  commandOnEvents("enable", "switch events on in a running program").action(
    (pid: number, glob: string, options: DirOption) => switchIn(pid, glob, true, options),
  );
  commandOnEvents("disable", "switch events off in a running program").action(
    (pid: number, glob: string, options: DirOption) => switchIn(pid, glob, false, options),
  );
  commandOnPid("flush", "write what a running program has emitted to disk now").action(flush);
  commandOnPid("stop", "end a recording; the program runs on untraced").action(stop);
  commandOnPid("snapshot", "write what the rings of a running program hold as a trace of its own")
    .option("-o, --output <dir>", "directory for the trace", DEFAULT_SNAPSHOT_OUTPUT)
    .action(snapshot);
  command("recover", "finish the traces of programs that died together with their consumers")
    .argument("[pid]", "process id of one of them; default all", parsePid)
    .option("--discard", "remove the sessions that cannot be recovered; their events are lost")
    .action(recover);
}

function parsePid(text: string): number {
  if (!/^[1-9][0-9]{0,9}$/.test(text))
    throw new UserError(`${text} is not a pid; see buntrace list`, EXIT_USAGE);
  return Number(text);
}

/** The sessions of a directory, and the shim to reach them with. */
function open({ sessionDir }: DirOption): SessionDir & { shim: Native } {
  const shim = native();
  if (typeof shim === "string") throw new UserError(shim);
  if (!existsSync(sessionDir)) {
    // The default one is made by the first recording.
    if (sessionDir === defaultSessionDir()) return { shim, sessions: [], unreadable: [] };
    throw new UserError(`session directory ${sessionDir}: no such directory`);
  }
  const dir = attempt(() => ensureSessionDir(shim, sessionDir));
  return { shim, ...readSessionDir(dir) };
}

function find(pid: number, options: DirOption): { shim: Native; session: FoundSession } {
  const { shim, sessions, unreadable } = open(options);
  const found = sessions.filter(({ info }) => info.pid === pid && !info.finished);
  // A dead program's pid may have become another's.
  const session = found.find(({ info }) => isRunning(info.pid, info.processStart)) ?? found[0];
  const instead = unreadable.find((one) => one.pid === pid);
  if (!session)
    throw new UserError(
      instead ? unreadableText(instead) : `no program with pid ${pid} is being recorded; see buntrace list`,
    );
  return { shim, session };
}

/** As {@link find}, for what only a program that runs can be told. */
function findRunning(pid: number, options: DirOption): { shim: Native; session: FoundSession } {
  const found = find(pid, options);
  const { program, processStart } = found.session.info;
  if (!isRunning(pid, processStart))
    throw new UserError(`${program} (pid ${pid}) is dead: buntrace recover ${pid} finishes its trace`);
  return found;
}

/** Errors of the recording side are for the user here. */
function attempt<R>(work: () => R, status?: number): R {
  try {
    return work();
  } catch (error) {
    throw new UserError(error instanceof Error ? error.message : String(error), status);
  }
}

function list(options: DirOption & { json?: boolean }): void {
  const { sessions, unreadable } = open(options);
  const rows = sessions.flatMap((session) => sessionRow(session) ?? []);
  const out = new Output(1);
  out.write(options.json ? rows.map((row) => `${JSON.stringify(row)}\n`).join("") : sessionTable(rows));
  out.flush();
  const stale = rows.filter(({ state }) => state === "stale").length;
  if (!options.json && stale > 0)
    process.stderr.write(
      `buntrace: ${many(stale, "session")} stale: program and consumer are dead; buntrace recover finishes the trace${stale === 1 ? "" : "s"}\n`,
    );
  for (const one of unreadable)
    process.stderr.write(
      `buntrace: ${unreadableText(one)}; ${mayBeInUse(one) ? `a process ${one.pid} may be recorded to it` : "buntrace recover --discard removes it"}\n`,
    );
}

function switchIn(pid: number, glob: string, on: boolean, options: DirOption): void {
  attempt(() => parseGlob(glob), EXIT_USAGE);
  const { session } = findRunning(pid, options);
  const { switched, names } = attempt(() => switchEvents(session.path, glob, on));
  process.stderr.write(
    `buntrace: ${many(switched, "event type")} switched ${on ? "on" : "off"} in ${pid}` +
      `${names === 0 ? "; none has such a name yet, later ones will be" : ""}\n`,
  );
}

async function flush(pid: number, options: DirOption): Promise<void> {
  const { shim, session } = findRunning(pid, options);
  if (session.info.mode === "overwrite")
    throw new UserError(
      `in mode overwrite nothing is written before the end: buntrace snapshot ${pid} writes what the rings hold`,
    );
  await flushed(shim, session, options.sessionDir);
  process.stderr.write(`buntrace: what ${pid} had emitted is written -> ${traceText(session)}\n`);
}

async function stop(pid: number, options: DirOption): Promise<void> {
  const { shim, session } = findRunning(pid, options);
  const error = Buffer.alloc(ERROR_BYTES);
  if (shim.steer.bt_tell_finish(cString(session.path), error) < 0) throw new UserError(textOf(error));
  await until(session, options.sessionDir, ({ finished }) => finished, "finish");
  process.stderr.write(`buntrace: ${pid} is no longer recorded -> ${traceText(session)}\n`);
}

/** Where a session writes, for people. */
function traceText({ info }: FoundSession): string {
  return info.traceDir === "/" ? "nowhere (--output null)" : info.traceDir;
}

function snapshot(pid: number, options: DirOption & { output: string }): void {
  const { shim, session } = find(pid, options);
  const { events, discarded, bytes, traceDir } = attempt(() =>
    takeSnapshot(shim, session.path, session.info.traceDir, options.output),
  );
  process.stderr.write(
    `buntrace: ${countText(events)} events, ${bytesText(bytes)}, ${countText(discarded)} lost or overwritten -> ${traceDir}\n`,
  );
}

async function recover(
  pid: number | undefined,
  options: DirOption & { readonly discard?: boolean },
): Promise<void> {
  const { shim, sessions, unreadable } = open(options);
  const chosen = sessions.filter(({ info }) => pid === undefined || info.pid === pid);
  const others = unreadable.filter((one) => pid === undefined || one.pid === pid);
  const count = chosen.length + others.length;
  if (pid !== undefined && count === 0)
    throw new UserError(`no program with pid ${pid} is recorded or left to recover; see buntrace list`);
  let failed = 0;
  for (const session of chosen) {
    const { state, text } = await recoverSession(shim, session);
    const lost = state === "failed" && options.discard ? lostWith(session) : undefined;
    if (state === "failed" && lost === undefined) failed++;
    if (state === "recovered" || lost !== undefined) rmSync(session.path, { force: true });
    if (state !== "live" || pid !== undefined)
      process.stderr.write(`buntrace: ${text}${lost === undefined ? "" : `; discarded, ${lost} lost`}\n`);
  }
  for (const one of others) {
    const kept = options.discard ? removeUnreadable(one) : "not recovered";
    if (kept !== undefined) failed++;
    process.stderr.write(`buntrace: ${unreadableText(one)}; ${kept ?? "removed"}\n`);
  }
  if (count === 0) process.stderr.write(`buntrace: nothing to recover in ${options.sessionDir}\n`);
  if (failed > 0)
    throw new UserError(
      `${failed} of ${many(count, "session")} could not be ${options.discard ? "removed" : "recovered; --discard removes what cannot be"}`,
    );
}

/** What is wrong with a session file, for people: its name may hold anything. */
function unreadableText({ path, why }: UnreadableSession): string {
  return `${printable(path)}: ${why}`;
}

/** The events that are nowhere but in a session file. */
function lostWith(session: FoundSession): string {
  const emitted = sessionRow(session)?.events ?? 0;
  return many(emitted - Number(session.info.recordsWritten), "event");
}
