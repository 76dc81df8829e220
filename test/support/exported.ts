/**
 * Exports of traces, by the command and by its parts. Runs in the test process.
 */
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { openTraces } from "../../src/ctf/index.ts";
import { FORMATS } from "../../src/export/formats.ts";
import { ExportSource, type Outcome } from "../../src/export/source.ts";
import { EventFilter, type FilterOptions } from "../../src/report/filter.ts";
import { Output } from "../../src/report/output.ts";
import { cli } from "./cli.ts";
import { Place } from "./place.ts";
import { runJson } from "./run.ts";

/** A span that programs/everything.ts emitted. */
export interface EmittedSpan {
  readonly name: string;
  readonly id: number;
  readonly parent?: number;
  readonly label?: string;
  readonly n?: number;
  readonly end?: number;
  readonly failed?: boolean;
  readonly unfinished?: boolean;
}

/** What programs/everything.ts emitted, apart from its values and counters. */
export interface Everything {
  readonly pid: number;
  readonly spans: readonly EmittedSpan[];
}

/** Records programs/everything.ts into the place's output. */
export async function recordEverything(place: Place): Promise<Everything> {
  const program = join(import.meta.dirname, "../export/programs/everything.ts");
  return (await runJson(place, program)) as Everything;
}

/** Exports the place's output by the command, as a user does. @throws Error when it does not end well */
export async function exportTo(
  place: Place,
  format: string,
  ...args: readonly string[]
): Promise<{ bytes: Buffer; stderr: string }> {
  const file = join(place.dir, `export-${format}`);
  const command = ["export", place.output, "--to", format, "-o", file, ...args];
  const { stdout, stderr, status } = await cli(place, command);
  if (status !== 0 || stdout !== "")
    throw new Error(`export to ${format} ended with ${status}: ${stdout}${stderr}`);
  return { bytes: readFileSync(file), stderr };
}

/** Exports a directory in this process. */
export async function exportHere(
  directory: string,
  format: string,
  file: string,
  options: FilterOptions = {},
): Promise<{ bytes: Buffer; outcome: Outcome; base: bigint; problems: readonly string[] }> {
  const write = await FORMATS.find(({ name }) => name === format)?.load();
  if (write === undefined) throw new Error(`no format ${format}`);
  const set = openTraces(directory);
  const descriptor = openSync(file, "w");
  const out = new Output(descriptor);
  const source = new ExportSource(set, new EventFilter(options, set), out, { batch() {}, loss() {} });
  const outcome = write(source);
  out.flush();
  closeSync(descriptor);
  set.close();
  return {
    bytes: readFileSync(file),
    outcome,
    base: set.base,
    problems: set.problems.map(({ message }) => message),
  };
}
