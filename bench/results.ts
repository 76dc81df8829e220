/**
 * `bun bench/results.ts`: puts the tables of bench/out into bench/README.md, and makes the
 * picture of the main README, bench/cost.svg, from the comparison's. Tables of benches
 * that were not run stay, with their date. Figures are copied, never typed.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { benches, OUT, type Result } from "./run.ts";

const HERE = import.meta.dirname;
const BEGIN = "<!-- results: made by bench/results.ts -->";
const END = "<!-- end of results -->";

function read(name: string): Result | undefined {
  const file = join(OUT, `${name.replaceAll("/", "-")}.json`);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Result) : undefined;
}

/** One bar: what, and nanoseconds an event. */
type Bar = readonly [name: string, ns: number];

/** The comparison's rows by name: nanoseconds in bursts. @throws Error when there are none. */
function bars(text: string): Bar[] {
  const rows = text.slice(text.indexOf("| two f64 |")).split("\n").slice(2);
  const found = rows
    .map((row) => row.split("|").map((cell) => cell.trim()))
    .map(([, name = "", ns]): Bar => [name, Number(ns)])
    .filter(([name, ns]) => name !== "" && ns > 0);
  if (found.length === 0)
    throw new Error("the comparison has no table of peers; run `bun run bench compare`");
  return found;
}

const WIDTH = 720;
const ROW = 26;
const TOP = 44;
const LABELS = 270;
/** A bar's space is this wide; the axis is logarithmic. */
const SPACE = WIDTH - LABELS - 90;

/** The picture: readable on light and dark, without fonts or scripts. */
function picture(all: readonly Bar[]): string {
  const most = Math.log10(Math.max(...all.map(([, ns]) => ns)));
  const height = TOP + all.length * ROW + 12;
  const rows = all.map(([name, ns], i) => {
    const y = TOP + i * ROW;
    const width = Math.max(2, (Math.log10(Math.max(ns, 1)) / most) * SPACE).toFixed(1);
    const own = name === "buntrace" ? ' class="own"' : "";
    return `  <text x="${LABELS - 10}" y="${y + 14}" text-anchor="end"${own}>${name}</text>
  <rect x="${LABELS}" y="${y}" width="${width}" height="18" rx="3"${own}/>
  <text x="${LABELS + Number(width) + 8}" y="${y + 14}"${own}>${ns < 100 ? ns.toFixed(1) : ns.toFixed(0)} ns</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="What an event costs its caller, nanoseconds">
  <style>
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    rect { fill: #8c959f; }
    text.own { font-weight: 600; }
    rect.own { fill: #1a7f37; }
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } rect { fill: #6e7681; } rect.own { fill: #3fb950; } }
  </style>
  <text x="${LABELS}" y="22">an event with two numbers, as its caller sees it (logarithmic)</text>
${rows.join("\n")}
</svg>
`;
}

const readme = join(HERE, "README.md");
const before = readFileSync(readme, "utf8");
const [from, to] = [before.indexOf(BEGIN), before.indexOf(END)];
if (from < 0 || to < from) throw new Error(`${readme} has no place for the results: ${BEGIN} ... ${END}`);

/** A bench's heading. */
function heading(name: string): string {
  return `### ${name.split("/").at(-1)}\n`;
}

/** What the README has of a bench, from its heading to the next. */
function standing(name: string): string | undefined {
  const section = before
    .slice(from + BEGIN.length, to)
    .split(/^(?=### )/m)
    .find((text) => text.startsWith(heading(name)));
  return section === undefined ? undefined : `${section.trim()}\n`;
}

const sections = benches().flatMap((name) => {
  const result = read(name);
  const text = result && `${heading(name)}\n${result.when.slice(0, 10)}. ${result.text.trim()}\n`;
  return text ?? standing(name) ?? [];
});
writeFileSync(readme, `${before.slice(0, from)}${BEGIN}\n\n${sections.join("\n")}\n${before.slice(to)}`);

const comparison = read("compare/compare");
if (comparison !== undefined) writeFileSync(join(HERE, "cost.svg"), picture(bars(comparison.text)));
