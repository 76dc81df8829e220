/** `buntrace open`: a trace as a page for the browser. Runs in the command's process. */
import { type Command, InvalidArgumentError } from "commander";
import { writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";

import { fileError, UserError } from "../errors.ts";
import { pageOf } from "../open/html.ts";
import { DEFAULT_LIMIT, prepare } from "../open/prepare.ts";
import { serve } from "../open/serve.ts";
import { addFilterOptions, type FilterOptions } from "../report/filter.ts";
import { noMatchText } from "../report/no-match.ts";
import { Pass } from "../report/pass.ts";
import { bytesText, countText, many } from "../report/number-text.ts";
import { tellUnknownFields } from "../report/unknown-fields.ts";

interface OpenOptions extends FilterOptions {
  readonly export?: string;
  readonly browser: boolean;
  readonly limit: number;
}

/** Adds the command to the program. */
export function openCommand(program: Command): void {
  const command = program
    .command("open")
    .description("show traces in the browser: timeline, flame graph, latencies, events")
    .argument("[traces...]", "directories of traces", ["buntrace.data"])
    .option("--export <file>", "write the page to a file, and do not open it")
    .option("--no-browser", "print the page's address only")
    .option(
      "--limit <events>",
      "show at most so many events one by one, the rest as density",
      whole,
      DEFAULT_LIMIT,
    )
    .option("--utc", "show and read times in UTC, not in the local zone");
  addFilterOptions(command).action(async (paths: string[], options: OpenOptions) => {
    process.exitCode = await open(paths, options);
  });
}

/**
 * Writes the page to a file, or serves it until SIGINT or SIGTERM.
 *
 * @returns the exit status
 * @throws UserError for a trace that cannot be read, of which nothing passes the filter, or a file that cannot be written
 */
export async function open(paths: readonly string[], options: OpenOptions): Promise<number> {
  const pass = new Pass(paths, options);
  const { set, filter } = pass;
  tellUnknownFields(filter.fields, pass.asked("spans"));
  const title = paths.map((path) => basename(resolve(path))).join(", ");
  const { utc = false, limit } = options;
  const { bytes, events, shown } = prepare(set, filter, { title, utc, limit });
  const status = pass.end();
  if (events === 0 && !filter.isEmpty) throw new UserError(noMatchText(filter, set, "spans"));
  const page = await pageOf(bytes);
  const reduced = shown === events ? "" : ` (${countText(shown)} of them one by one)`;
  const what = `buntrace: ${many(events, "event")}${reduced}, a page of ${bytesText(page.size)}`;
  if (options.export !== undefined) {
    try {
      writeFileSync(options.export, new Uint8Array(await page.arrayBuffer()));
    } catch (error) {
      throw fileError(options.export, error);
    }
    process.stderr.write(`${what} -> ${options.export}\n`);
    return status;
  }
  const served = serve(page);
  console.log(served.url);
  process.stderr.write(`${what}; Ctrl+C ends it\n`);
  if (options.browser) startBrowser(served.url);
  await new Promise<void>((stop) => {
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
  });
  await served.stop();
  return status;
}

/** Opens an address as the desktop does it; where it cannot, the address was printed. */
function startBrowser(url: string): void {
  const opener = process.platform === "darwin" ? "open" : "xdg-open";
  try {
    Bun.spawn([opener, url], { stdin: "ignore", stdout: "ignore", stderr: "ignore" }).unref();
  } catch {
    process.stderr.write(`buntrace: there is no ${opener}: open the address yourself\n`);
  }
}

function whole(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError("It is a whole number from 1 on.");
  return number;
}
