#!/usr/bin/env bun
/**
 * The command's entry: `buntrace record | print | info | ...`. One file a command
 * in src/commands; here is only what they share: options, errors, exit status.
 */
import { existsSync } from "node:fs";

import { Command, CommanderError } from "commander";

import { version } from "../package.json";
import { diffCommand } from "./commands/diff.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { EXAMPLES } from "./commands/examples.ts";
import { exportCommand } from "./commands/export.ts";
import { graphCommand } from "./commands/graph.ts";
import { histCommand } from "./commands/hist.ts";
import { infoCommand } from "./commands/info.ts";
import { liveCommands } from "./commands/live.ts";
import { openCommand } from "./commands/open.ts";
import { printCommand } from "./commands/print.ts";
import { recordCommand } from "./commands/record.ts";
import { reportCommand } from "./commands/report.ts";
import { slowestCommand } from "./commands/slowest.ts";
import { EXIT_ERROR, EXIT_USAGE, UserError } from "./errors.ts";
import { Output, OutputClosed } from "./report/output.ts";

const program = new Command("buntrace")
  .description("A tracer for Bun programs. Records to CTF, the standard trace format.")
  .version(version)
  .enablePositionalOptions()
  .helpCommand(false);

for (const add of [
  recordCommand,
  printCommand,
  reportCommand,
  histCommand,
  graphCommand,
  slowestCommand,
  diffCommand,
  infoCommand,
  exportCommand,
  openCommand,
  liveCommands,
  doctorCommand,
])
  add(program);
program
  .command("help [command]")
  .summary("display help for command")
  .action((name: string | undefined) => {
    const command = name === undefined ? program : program.commands.find((one) => one.name() === name);
    (command ?? program.error(`error: unknown command '${name}'`)).help();
  });
complete(program, "buntrace");
for (const command of program.commands) complete(command, `buntrace ${command.name()}`);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed its line; help and version are no errors.
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  } else if (error instanceof OutputClosed) {
    // Who reads the help has enough.
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

/** Gives a command what all have: errors in one line, help that fails clearly, and a description. */
function complete(command: Command, name: string): void {
  command.exitOverride().configureOutput({
    outputError: (text, write) => {
      const line = text
        .trim()
        .replace(/^error: /, "buntrace: ")
        .replace(/\n\(Did you mean (.*)\?\)$/s, "; did you mean $1?")
        .replace(
          /^(buntrace: too many arguments) for .*\. (Expected \d+) .*? (but got \d+: .*)\.$/s,
          "$1: $2 $3",
        )
        .replace(/: Expected/, ": expected")
        .replace(
          / is invalid\. ([A-Z])?/,
          (_all, first?: string) => ` is invalid: ${first?.toLowerCase() ?? ""}`,
        )
        .replace(/\.$/, "");
      write(`${line} (see ${name} --help)\n`);
    },
    writeOut: (text) => {
      const out = new Output(1);
      out.write(text);
      out.flush();
    },
  });
  // In the list of commands, and as a sentence in the command's own help.
  const text = command.description();
  if (/^[a-z]/.test(text))
    command.summary(text).description(`${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`);
  const examples = EXAMPLES[command.name()] ?? [];
  if (examples.length > 0) command.addHelpText("after", `\nExamples:\n  ${examples.join("\n  ")}`);
  command.hook("preAction", (_program, { args, registeredArguments: [first] }) => {
    const [trace] = Array.isArray(first?.defaultValue) ? (first.defaultValue as string[]) : [];
    if (trace !== undefined && args.length === 0 && !existsSync(trace))
      throw new UserError(`there is no ${trace} here: name a trace, or make one with buntrace record`);
  });
}
