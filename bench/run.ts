/**
 * `bun run bench [NAME...]`: runs every bench, or those named, one after the other, shows
 * their tables and keeps each in bench/out/NAME.json. `bun bench/results.ts` makes
 * bench/README.md and the picture from them.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a bench printed. */
export interface Result {
  readonly name: string;
  /** ISO 8601. */
  readonly when: string;
  /** Its tables in Markdown, below the line that names the machine. */
  readonly text: string;
}

const HERE = import.meta.dirname;
/** Where results are kept. */
export const OUT: string = join(HERE, "out");

/** What is beside the benches: what they share, and what runs them. */
export const OTHERS: readonly string[] = ["support", "payloads", "requests", "run", "results"];

/** Every bench; in this order in the README as well. */
export function benches(): string[] {
  const first = ["emit", "compare/compare", "sustain", "server", "startup", "pause", "memory"];
  const rest = readdirSync(HERE)
    .filter((name) => name.endsWith(".ts"))
    .map((name) => name.slice(0, -3))
    .filter((name) => !OTHERS.includes(name) && !first.includes(name));
  return [...first, ...rest.sort()];
}

async function run(name: string): Promise<boolean> {
  console.log(`## ${name}\n`);
  const when = new Date().toISOString();
  const child = Bun.spawn([process.execPath, join(HERE, `${name}.ts`)], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const text = await child.stdout.text();
  console.log(text);
  if ((await child.exited) !== 0) return false;
  const result: Result = { name, when, text };
  mkdirSync(OUT, { recursive: true });
  writeFileSync(join(OUT, `${name.replaceAll("/", "-")}.json`), `${JSON.stringify(result, null, 2)}\n`);
  return true;
}

if (import.meta.main) {
  const all = benches();
  const wanted = process.argv.slice(2).map((word) => (word === "compare" ? "compare/compare" : word));
  const unknown = wanted.find((name) => !all.includes(name));
  if (unknown !== undefined) {
    console.error(`bench: no bench ${JSON.stringify(unknown)}; there are ${all.join(", ")}`);
    process.exit(2);
  }
  const failed: string[] = [];
  for (const name of wanted.length > 0 ? wanted : all) if (!(await run(name))) failed.push(name);
  if (failed.length > 0) {
    console.error(`bench: ${failed.join(", ")} failed`);
    process.exit(1);
  }
}
