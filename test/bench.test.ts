/**
 * Runs the small form of every bench, so that none rots: it must end well and print
 * its table. No figure is looked at.
 */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";

const dir = join(import.meta.dirname, "../bench");
/** What is beside the benches: what they share, and what runs them all. */
const others = ["support.ts", "payloads.ts", "requests.ts", "run.ts", "results.ts"];
const benches = readdirSync(dir)
  .filter((name) => name.endsWith(".ts") && !others.includes(name))
  .concat("compare/compare.ts");

test.each(benches)("bench/%s --small prints its table", async (name) => {
  const child = Bun.spawn([process.execPath, join(dir, name), "--small"], { stdout: "pipe", stderr: "pipe" });
  const [out, errors, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect(errors).toBe("");
  expect(out).toMatch(/\|---\|/);
  expect(status).toBe(0);
});
