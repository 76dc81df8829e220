/**
 * The types refuse wrong uses: `bun check` finds nothing in test/types.ts, and
 * without the directives there it finds as many errors as there were directives.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

setDefaultTimeout(120_000);

const ROOT = join(import.meta.dirname, "..");
const DIRECTIVE = /^\/\/ @ts-expect-error .*$/gm;

/** Runs the package's own check script on a file. */
function check(file: string): { status: number; output: string } {
  const scripts = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    scripts: { check: string };
  };
  // The page has one of its own, after this.
  const [own = ""] = scripts.scripts.check.split(" && ");
  const [, ...args] = own.split(" ");
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, ...args, file], { cwd: ROOT });
  return { status: exitCode, output: `${stdout.toString()}${stderr.toString()}` };
}

test("the right uses are accepted and the wrong ones refused", () => {
  const { status, output } = check("test/types.ts");
  expect(output).not.toMatch(/error TS/);
  expect(status).toBe(0);
});

test("without the directives each of the wrong uses is an error", () => {
  const text = readFileSync(join(ROOT, "test/types.ts"), "utf8");
  expect(text.match(DIRECTIVE)?.length).toBeGreaterThan(30);
  const dir = mkdtempSync(join(tmpdir(), "buntrace-types-"));
  const copy = join(dir, "types.ts");
  writeFileSync(copy, text.replace(DIRECTIVE, "//").replace("../src/", `${ROOT}/src/`));
  try {
    const { status, output } = check(copy);
    // Each on the line after its directive; a line can hold two.
    const lines = new Set([...output.matchAll(/\((\d+),\d+\): error TS/g)].map(([, line]) => Number(line)));
    const expected = text
      .split("\n")
      .flatMap((line, i) => (line.startsWith("// @ts-expect-error ") ? [i + 2] : []));
    expect([...lines]).toEqual(expected);
    expect(status).not.toBe(0);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
