/**
 * Session files as test material: one that a killed program left and no consumer
 * has touched, and the consumer program run on a file. Runs in the test process.
 */
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import type { SessionOptions } from "../../src/index.ts";
import { loadNative } from "../../src/record/native.ts";
import { SESSION_OFFSETS } from "../../src/record/session-file.ts";
import type { Place } from "./place.ts";
import { type Ended, ended, start } from "./run.ts";

/** The directory of this machine's binaries. */
export function binariesDir(): string {
  const native = loadNative();
  if (typeof native === "string") throw new Error(native);
  return dirname(native.consumerPath);
}

/** A directory of binaries whose consumer is `consumer` (a path, or a shell script's text). */
export function binariesWith(place: Place, consumer: { path: string } | { script: string }): string {
  const dir = join(place.dir, "binaries");
  mkdirSync(dir, { recursive: true });
  cpSync(join(binariesDir(), "libbuntrace.so"), join(dir, "libbuntrace.so"));
  const path = join(dir, "buntrace-consumer");
  if ("path" in consumer) cpSync(consumer.path, path);
  else writeFileSync(path, `#!/bin/sh\n${consumer.script}\n`);
  chmodSync(path, 0o755);
  return dir;
}

/**
 * Has a program emit numbered events and die with no consumer beside it.
 * @returns path of the session file, which holds all of them.
 */
export async function abandonedSession(
  place: Place,
  program: string,
  args: readonly string[],
  session: SessionOptions,
): Promise<string> {
  const env = { BUNTRACE_BINARIES: binariesWith(place, { script: "exit 0" }) };
  const { stderr } = await ended(start(place, program, { args, session, env }));
  const [name] = place.sessions();
  if (name === undefined) throw new Error(`no session file: ${stderr}`);
  return join(place.sessionDir, name);
}

/** Runs a consumer program on a session file, to its end. */
export async function runConsumer(
  path: string,
  consumer: string = join(binariesDir(), "buntrace-consumer"),
  env: Readonly<Record<string, string>> = {},
): Promise<Pick<Ended, "status" | "stderr" | "signal">> {
  const running = Bun.spawn([consumer, path], {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const stderr = await running.stderr.text();
  await running.exited;
  const signal = running.signalCode === null ? null : String(running.signalCode);
  return { stderr, signal, status: signal === null ? running.exitCode : null };
}

/** Makes `dir` the trace directory that a session's bytes name. */
export function redirect(bytes: Buffer, dir: string): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "metadata"), "");
  bytes.fill(0, SESSION_OFFSETS.trace_dir, SESSION_OFFSETS.consumer_path);
  bytes.write(dir, SESSION_OFFSETS.trace_dir);
}

/** A copy of a session file with some of its bytes changed. */
export function changedCopy(path: string, name: string, change: (bytes: Buffer) => Buffer | void): string {
  const bytes = readFileSync(path);
  const copy = join(dirname(path), name);
  writeFileSync(copy, change(bytes) ?? bytes, { mode: 0o600 });
  return copy;
}
