// `buntrace print`: the events of traces as text, in the order of their times, or as JSON. Runs in the command's process.
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { EventBatch } from "../ctf/stream.ts";
import { openTraces } from "../ctf/trace.ts";
import { defaultSessionDir } from "../record/settings.ts";
import { addFilterOptions, EventFilter, type FilterOptions } from "../report/filter.ts";
import { exitStatusOf } from "../report/losses.ts";
import { noMatchText } from "../report/no-match.ts";
import { Output, OutputClosed } from "../report/output.ts";
import { Progress } from "../report/progress.ts";
import { tellUnknownFields } from "../report/unknown-fields.ts";
import type { TimeFormat } from "../report/time-text.ts";
import { printLive } from "./print-live.ts";
import { type PrinterOptions, printerOf, printRun, warn } from "./printers.ts";

const TIME_KINDS: readonly TimeFormat["kind"][] = ["absolute", "epoch", "relative", "delta"];

interface PrintOptions extends FilterOptions, PrinterOptions {
  readonly live?: boolean;
  readonly sessionDir: string;
}

/** Adds the command to the program. */
export function printCommand(program: Command): void {
  const command = program
    .command("print")
    .description("print the events of traces, in the order of their times")
    .argument("[traces...]", "directories of traces", ["buntrace.data"])
    .option("-l, --live", "print what running programs record as it comes, until they end")
    .option("--session-dir <dir>", "directory of the session files, for --live", defaultSessionDir())
    .option("--time <form>", `how to show times: ${TIME_KINDS.join(", ")}`, timeKind, "absolute")
    .option("--date", "show the date too")
    .option("--utc", "show and read times in UTC, not in the local zone")
    .option("--json", "print a JSON object a line");
  addFilterOptions(command).action(async (paths: string[], options: PrintOptions) => {
    process.exitCode = options.live === true ? await printLive(paths, options) : print(paths, options);
  });
}

/**
 * Prints traces to stdout; losses and damage go to stderr.
 *
 * @returns the exit status
 * @throws UserError for a trace that cannot be read, or an option that makes no sense
 */
function print(paths: readonly string[], options: PrintOptions): number {
  const set = openTraces(paths);
  const filter = new EventFilter(options, set);
  tellUnknownFields(filter.fields, {
    sets: [set],
    chosen: "events",
    wants: (name) => filter.wantsName(name),
  });
  const out = new Output(1);
  const printer = printerOf(options, out);
  const progress = new Progress(set, false);
  let problems = 0;
  let isAny = false;
  const tellProblems = (): void => {
    if (set.problems.length === problems) return;
    progress.end();
    for (; problems < set.problems.length; problems += 1) warn(set.problems[problems]?.message ?? "");
  };
  printer.open(set);
  try {
    let last: EventBatch["packet"] | undefined;
    const runs = set.merger(filter.range);
    while (runs.next()) {
      const { batch, from, to } = runs;
      if (batch.packet !== last) {
        last = batch.packet;
        progress.at(batch);
        tellProblems();
      }
      for (const loss of batch.losses) printer.loss(loss, batch.stream);
      isAny = printRun(printer, filter, batch, from, to) || isAny;
    }
    out.flush();
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
    return 0;
  } finally {
    progress.end();
    set.close();
  }
  tellProblems();
  if (!isAny && !filter.isEmpty) process.stderr.write(`buntrace: ${noMatchText(filter, set, "events")}\n`);
  return exitStatusOf(set.problems);
}

function timeKind(value: string): TimeFormat["kind"] {
  const kind = TIME_KINDS.find((one) => one === value);
  if (kind === undefined) throw new InvalidArgumentError(`It is one of ${TIME_KINDS.join(", ")}.`);
  return kind;
}
