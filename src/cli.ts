#!/usr/bin/env bun
/**
 * The command's entry: `buntrace record | print | info | ...`. One file a command
 * in src/commands; here is only what they share: options, errors, exit status.
 */
import { Command, CommanderError } from "commander";

import { version } from "../package.json";
import { diffCommand } from "./commands/diff.ts";
import { exportCommand } from "./commands/export.ts";
import { graphCommand } from "./commands/graph.ts";
import { histCommand } from "./commands/hist.ts";
import { infoCommand } from "./commands/info.ts";
import { liveCommands } from "./commands/live.ts";
import { openCommand } from "./commands/open.ts";
import { printCommand } from "./commands/print.ts";
import { recordCommand } from "./commands/record.ts";
import { reportCommand } from "./commands/report.ts";
import { EXIT_ERROR, EXIT_USAGE, UserError } from "./errors.ts";

const program = new Command("buntrace")
  .description("A tracer for Bun programs. Records to CTF, the standard trace format.")
  .version(version)
  .enablePositionalOptions()
  .showSuggestionAfterError(false)
  .configureOutput({
    outputError: (text, write) =>
      write(`${text.trim().replace(/^error: /, "buntrace: ")} (see buntrace --help)\n`),
  })
  .exitOverride();

for (const add of [
  recordCommand,
  printCommand,
  reportCommand,
  histCommand,
  graphCommand,
  diffCommand,
  infoCommand,
  exportCommand,
  openCommand,
  liveCommands,
])
  add(program);
for (const command of program.commands) command.exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed its line; help and version are no errors.
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  } else if (error instanceof UserError) {
    process.stderr.write(`buntrace: ${error.message}\n`);
    process.exitCode = error.exitStatus;
  } else {
    process.stderr.write(
      `buntrace: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = EXIT_ERROR;
  }
}
