/**
 * How large is the page of `buntrace open`, how long does it take to make and to load,
 * and what does a frame of its timeline cost? On a recording of five million events, in
 * Chromium without a graphics processor. `bun bench/open.ts`, or `--small` for a test.
 */
import { statSync } from "node:fs";
import { join } from "node:path";

import { Browser } from "../test/support/browser.ts";
import { machine, median, small, withTempDir } from "./support.ts";

const EVENTS = small ? 20_000 : 5_000_000;

/** Steps of a walk through the timeline, a frame each. */
const STEPS = small ? 5 : 40;

/** Walks before the one that counts: the page's code is compiled meanwhile. */
const WALKS_BEFORE = small ? 0 : 1;

const CLI = join(import.meta.dirname, "../src/cli.ts");

/** Runs a process to its end. @returns seconds, and megabytes of memory. @throws Error when it fails */
async function timed(...command: string[]): Promise<{ seconds: number; megabytes: number }> {
  const start = performance.now();
  const child = Bun.spawn([process.execPath, ...command], {
    env: process.env, // as it is now
    stdout: "ignore",
    stderr: "pipe",
  });
  const [errors, status] = await Promise.all([child.stderr.text(), child.exited]);
  if (status !== 0) throw new Error(errors);
  const seconds = (performance.now() - start) / 1000;
  return { seconds, megabytes: (child.resourceUsage()?.maxRSS ?? 0) / 1e6 };
}

/** Presses keys, a frame after each. @returns what each frame cost, milliseconds */
async function press(browser: Browser, keys: string): Promise<number[]> {
  const costs: number[] = [];
  for (const key of keys) {
    await browser.key(key);
    await browser.drawn();
    costs.push(Number(await browser.evaluate("document.getElementById('timeline').dataset.frame")));
  }
  return costs;
}

/** Zooms into the middle, moves on, zooms out, and to the end. */
async function walk(browser: Browser): Promise<number[]> {
  const keys = `0${"w".repeat(STEPS)}${"d".repeat(STEPS)}${"s".repeat(STEPS * 2)}${"wwwwwww"}${"a".repeat(STEPS)}`;
  return press(browser, keys);
}

function row(what: string, value: number, digits: number, unit: string): void {
  console.log(`| ${what} | ${value.toFixed(digits)} ${unit} |`);
}

await withTempDir(async (directory) => {
  const page = join(directory, "page.html");
  const trace = join(directory, "trace");
  await timed(join(import.meta.dirname, "programs/busy-server.ts"), trace, String(EVENTS));
  const made = await timed(CLI, "open", trace, "--export", page);
  await using browser = await Browser.start();
  const start = performance.now();
  await browser.load(`file://${page}`);
  await browser.until("document.body.classList.contains('ready')");
  await browser.drawn();
  const loaded = (performance.now() - start) / 1000;
  const first = Number(await browser.evaluate("document.getElementById('timeline').dataset.frame"));
  for (let walks = 0; walks < WALKS_BEFORE; walks += 1) await walk(browser);
  const costs = (await walk(browser)).sort((a, b) => a - b);
  const searching = performance.now();
  await browser.evaluate("document.getElementById('search').select()");
  await browser.type("status=500");
  await browser.key("Enter");
  await browser.until("document.getElementById('found').textContent.startsWith('1 of')");
  const searched = performance.now() - searching;

  console.log(`${EVENTS.toLocaleString("en-US")} events. ${machine()}\n\n| the page | |\n|---|---|`);
  row("made in", made.seconds, 2, "s");
  row("memory for making it", made.megabytes, 0, "MB");
  row("size", statSync(page).size / 1e6, 2, "MB");
  row("loaded and drawn in", loaded, 2, "s");
  row("its first frame", first, 1, "ms");
  row(`a frame, median of ${costs.length}`, median(costs), 2, "ms");
  row("a frame, 99 of 100", costs[Math.floor(costs.length * 0.99)] ?? NaN, 2, "ms");
  row("a search of all fields, to what was found", searched, 0, "ms");
});
