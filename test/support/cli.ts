/**
 * Runs the command as a user does, `bun src/cli.ts ...`, with a test's private
 * directories. Runs in the test process.
 */
import { join } from "node:path";

import type { Place } from "./place.ts";
import { type Ended, ended } from "./run.ts";

export const CLI = join(import.meta.dirname, "../../src/cli.ts");

/** Starts `buntrace ARGS` in the place's directory; its stdout and stderr are piped. */
export function startCli(
  place: Place,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Bun.Subprocess<"pipe", "pipe", "pipe"> {
  return Bun.spawn([process.execPath, CLI, ...args], {
    cwd: place.dir,
    env: { ...process.env, BUNTRACE_SESSION_DIR: place.sessionDir, NO_COLOR: "1", ...env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** Runs `buntrace ARGS` to its end. */
export async function cli(
  place: Place,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<Ended> {
  const command = startCli(place, args, env);
  command.stdin.end();
  return ended(command);
}
