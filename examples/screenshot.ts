/**
 * Makes the README's picture, examples/open.png: records the example server under load,
 * kills it, opens the trace's page in Chromium and looks at the last moment. Needs
 * Debian's chromium. `bun examples/screenshot.ts`
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Browser } from "../test/support/browser.ts";

const HERE = import.meta.dirname;

/** Runs a program of Bun to its end. @throws Error when it fails */
async function run(cwd: string, ...command: string[]): Promise<void> {
  const child = Bun.spawn([process.execPath, ...command], { cwd, stdout: "ignore", stderr: "pipe" });
  const [errors, status] = await Promise.all([child.stderr.text(), child.exited]);
  if (status !== 0) throw new Error(errors);
}

const directory = mkdtempSync(join(tmpdir(), "buntrace-screenshot-"));
try {
  await run(directory, join(HERE, "demo.ts"));
  await run(directory, join(HERE, "../src/cli.ts"), "open", "--export", "page.html");
  await using browser = await Browser.start(1200, 760);
  await browser.load(`file://${directory}/page.html`);
  await browser.until("document.body.classList.contains('ready')");
  await browser.key("l");
  await browser.drawn();
  const picture = await browser.screenshot();
  await Bun.write(join(HERE, "open.png"), picture);
  console.log(`examples/open.png, ${(picture.length / 1000).toFixed(0)} kB`);
} finally {
  rmSync(directory, { recursive: true });
}
