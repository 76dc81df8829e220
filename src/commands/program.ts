/**
 * Finds what `buntrace record` is to run: a script for this Bun, Bun itself, or an
 * executable. Runs in the command's process.
 */
import { accessSync, constants, statSync } from "node:fs";
import { resolve } from "node:path";

import { UserError } from "../errors.ts";

/** As env(1): the program is there and cannot be run; it is not there. */
const EXIT_CANNOT_RUN = 126;
const EXIT_NOT_FOUND = 127;

const SCRIPT = /\.[cm]?[jt]sx?$/;

/**
 * The command line for a program and its arguments.
 * @throws UserError (126 or 127) when there is no such program or it cannot be run.
 */
export function findProgram(program: string, args: readonly string[]): [string, ...string[]] {
  if (program === "bun") return [process.execPath, ...args];
  const file = statSync(resolve(program), { throwIfNoEntry: false });
  if (SCRIPT.test(program)) {
    if (!file)
      throw new UserError(`${program}: no such file; name a script, "bun", or an executable`, EXIT_NOT_FOUND);
    if (!file.isFile()) throw new UserError(`${program} is not a file; name a script`, EXIT_CANNOT_RUN);
    return [process.execPath, program, ...args];
  }
  const path = program.includes("/") ? (file ? resolve(program) : null) : Bun.which(program);
  if (path === null)
    throw new UserError(
      file?.isFile() === true
        ? `${program}: no such program; what is here is called ./${program}`
        : `${program}: no such program; name a script, "bun", or an executable`,
      EXIT_NOT_FOUND,
    );
  try {
    if (!statSync(path).isFile()) throw new Error("not a file");
    accessSync(path, constants.X_OK);
  } catch {
    throw new UserError(
      `${program} is not executable; name a script (.ts, .js), "bun", or an executable`,
      EXIT_CANNOT_RUN,
    );
  }
  return [path, ...args];
}
