// `buntrace export`: traces in the formats of other tools, into a file or stdout. Runs in the command's process.
import { closeSync, openSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Command, Option } from "commander";
import type { EventBatch, Loss, Stream } from "../ctf/stream.ts";
import { openTraces, type TraceSet } from "../ctf/trace.ts";
import { EXIT_USAGE, fileError, UserError } from "../errors.ts";
import { type Format, FORMATS } from "../export/formats.ts";
import { ExportSource, isNothing, outcomeText, type SourceListener } from "../export/source.ts";
import { addFilterOptions, EventFilter, type FilterOptions } from "../report/filter.ts";
import { exitStatusOf, lossText } from "../report/losses.ts";
import { noMatchText } from "../report/no-match.ts";
import { Output, OutputClosed } from "../report/output.ts";
import { Progress } from "../report/progress.ts";
import { palette } from "../report/style.ts";
import { bytesText } from "../report/number-text.ts";
import { wallText } from "../report/time-text.ts";

interface ExportOptions extends FilterOptions {
  readonly to?: string;
  readonly output?: string;
}

/** Adds the command to the program. */
export function exportCommand(program: Command): void {
  const command = program
    .command("export")
    .summary("write traces in other tools' formats")
    .description(`Write traces in other tools' formats:\n${formatList()}`)
    .argument("[traces...]", "directories of traces", ["buntrace.data"])
    .addOption(
      new Option("--to <format>", "what to write; must be given").choices(FORMATS.map(({ name }) => name)),
    )
    .option("-o, --output <file>", "where to; stdout by default")
    .option("--utc", "read and show times in UTC, not in the local zone");
  addFilterOptions(command).action(async (paths: string[], options: ExportOptions) => {
    process.exitCode = await exportTraces(paths, options);
  });
}

function formatList(): string {
  const width = Math.max(...FORMATS.map(({ name }) => name.length));
  return FORMATS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join("\n");
}

/**
 * Writes traces in another format; losses, damage and a line on what was written go to stderr.
 *
 * @returns the exit status
 * @throws UserError for a trace that cannot be read, a file that cannot be written, or an option that makes no sense
 */
export async function exportTraces(paths: readonly string[], options: ExportOptions): Promise<number> {
  const format = FORMATS.find(({ name }) => name === options.to);
  if (format === undefined)
    throw new UserError(
      `export needs --to and a format: ${FORMATS.map(({ name }) => name).join(", ")}`,
      EXIT_USAGE,
    );
  const set = openTraces(paths);
  const filter = new EventFilter(options, set);
  const target = new Target(options.output, format);
  const teller = new Teller(set, options.utc === true, options.output !== undefined);
  try {
    const write = await format.load();
    const source = new ExportSource(set, filter, target.out, teller);
    const outcome = write(source);
    const { what, rest } = outcomeText(outcome);
    target.out.flush();
    teller.end();
    const why = isNothing(outcome) && !filter.isEmpty ? `; ${noMatchText(filter, set, source.form)}` : "";
    process.stderr.write(`buntrace: ${what} -> ${target.close()}${rest}${why}\n`);
  } catch (error) {
    if (error instanceof OutputClosed) return 0;
    throw target.abandon(error);
  } finally {
    teller.end();
    set.close();
  }
  return exitStatusOf(set.problems);
}

/** Tells on stderr how far the export is, what is not in the trace, and what is damaged. */
class Teller implements SourceListener {
  readonly #set: TraceSet;
  readonly #utc: boolean;
  readonly #progress: Progress;
  #packet: EventBatch["packet"] | undefined;
  #told = 0;

  constructor(set: TraceSet, utc: boolean, toFile: boolean) {
    this.#set = set;
    this.#utc = utc;
    this.#progress = new Progress(set, toFile);
  }

  batch(batch: EventBatch): void {
    if (batch.packet === this.#packet) return;
    this.#packet = batch.packet;
    this.#progress.at(batch);
    this.#tellProblems();
  }

  loss(loss: Loss, stream: Stream): void {
    this.#warn(lossText(loss, stream, (time) => wallText(time, false, this.#utc)));
  }

  end(): void {
    this.#progress.end();
    this.#tellProblems();
  }

  #tellProblems(): void {
    const { problems } = this.#set;
    for (; this.#told < problems.length; this.#told += 1) this.#warn(problems[this.#told]?.message ?? "");
  }

  #warn(message: string): void {
    this.#progress.end();
    const { warning } = palette(process.stderr);
    process.stderr.write(`${warning.open}warning: ${message}${warning.close}\n`);
  }
}

/** Where the export goes: a file, or stdout. */
class Target {
  readonly out: Output;
  readonly #path: string | undefined;
  readonly #descriptor: number;

  /** @throws UserError for a file that cannot be made, and for binary data on a terminal */
  constructor(path: string | undefined, format: Format) {
    this.#path = path;
    if (path === undefined && format.binary && process.stdout.isTTY === true)
      throw new UserError(
        `${format.name} is binary and stdout a terminal: use -o FILE, or a pipe`,
        EXIT_USAGE,
      );
    try {
      this.#descriptor = path === undefined ? 1 : openSync(path, "w");
    } catch (error) {
      throw nothingExported(fileError(path ?? "stdout", error));
    }
    this.out = new Output(this.#descriptor, path);
  }

  /** Closes the file; returns its name and size. */
  close(): string {
    if (this.#path === undefined) return "stdout";
    closeSync(this.#descriptor);
    return `${this.#path} (${bytesText(statSync(this.#path).size)})`;
  }

  /** Removes the part of the file that there is; returns the error to throw. */
  abandon(error: unknown): unknown {
    if (this.#path !== undefined) {
      closeSync(this.#descriptor);
      if (statSync(this.#path, { throwIfNoEntry: false })?.isFile() === true) rmSync(this.#path);
    }
    // What is not of the output is of the spool.
    const told = isWriteError(error) ? fileError(tmpdir(), error) : error;
    return told instanceof UserError ? nothingExported(told) : told;
  }
}

function isWriteError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && error.syscall === "write";
}

function nothingExported({ message, exitStatus }: UserError): UserError {
  return new UserError(`${message}; nothing was exported`, exitStatus);
}
