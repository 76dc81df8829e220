/** The reading commands alone, as src/cli.ts runs them. Started by the tests of src/commands/print.ts and info.ts. */
import { Command, CommanderError } from "commander";

import { infoCommand } from "../../../src/commands/info.ts";
import { printCommand } from "../../../src/commands/print.ts";
import { EXIT_USAGE, UserError } from "../../../src/errors.ts";

const program = new Command("buntrace").exitOverride();
for (const add of [printCommand, infoCommand]) add(program);
for (const command of program.commands) command.exitOverride();
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  else if (error instanceof UserError) {
    process.stderr.write(`buntrace: ${error.message}\n`);
    process.exitCode = error.exitStatus;
  } else throw error;
}
