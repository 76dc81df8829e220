/**
 * Runs the small form of every bench, so that none rots: it must end well and print
 * its table. No figure is looked at.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";

import { benches } from "../bench/run.ts";

const dir = join(import.meta.dirname, "../bench");
test.each(benches())("bench/%s.ts --small prints its table", async (name) => {
  const child = Bun.spawn([process.execPath, join(dir, `${name}.ts`), "--small"], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, errors, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect(errors).toBe("");
  expect(out).toMatch(/\|---\|/);
  expect(status).toBe(0);
});
