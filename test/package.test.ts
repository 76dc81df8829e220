// The package as its users get it: what is in it, and that their own type checks, however strict, accept right uses and
// refuse wrong ones. Packs the tree without building its binaries.
import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Place } from "./support/place.ts";

const ROOT = join(import.meta.dirname, "..");

const RIGHT = `import { openSession, provider } from "buntrace";
import { openTraces } from "buntrace/ctf";
import "buntrace/preload";
const start = provider("app").tracepoint("start", [["id", "u32"], ["path", "string"]]);
start(1, "/");
using _ = provider("app").span("work").enter();
await using session = await openSession({ mode: "overwrite" });
for (const event of openTraces("trace").events()) console.log(event.name, session.recording);
`;

/** Compiler options under which TypeScript sources in a package would be errors. */
const STRICT = {
  strict: true,
  noEmit: true,
  target: "esnext",
  lib: ["esnext"],
  types: ["bun"],
  skipLibCheck: true,
  verbatimModuleSyntax: true,
  erasableSyntaxOnly: true,
};

function run(command: string[], cwd: string): { status: number; output: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, {
    cwd,
    env: { ...process.env, NO_COLOR: "1" },
  });
  return { status: exitCode, output: stdout.toString() + stderr.toString() };
}

/** Installs what `bun pm pack` makes into a project, by hand: the types need no other package but Bun's. */
function install(project: string): string[] {
  expect(run([process.execPath, "run", "types"], ROOT).status).toBe(0);
  const packed = run([process.execPath, "pm", "pack", "--ignore-scripts", "--destination", project], ROOT);
  expect(packed.status).toBe(0);
  const modules = join(project, "node_modules");
  mkdirSync(join(modules, "buntrace"), { recursive: true });
  const [archive = ""] = [...new Bun.Glob("buntrace-*.tgz").scanSync(project)];
  expect(
    run(["tar", "xzf", archive, "-C", "node_modules/buntrace", "--strip-components=1"], project).status,
  ).toBe(0);
  for (const name of ["@types", "bun-types", "undici-types"])
    symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
  return [...new Bun.Glob("**").scanSync(join(modules, "buntrace"))];
}

test("a user's strict type check accepts right uses and refuses wrong ones; nothing but the product is packed", async () => {
  await using place = new Place();
  const files = install(place.dir);
  expect(files).toContain("src/cli.ts");
  expect(files).toContain("dist/types/src/index.d.ts");
  expect(files.filter((file) => /^(test|bench|examples|page)\b/.test(file))).toEqual([]);
  writeFileSync(join(place.dir, "package.json"), JSON.stringify({ type: "module" }));
  for (const [module, moduleResolution] of [
    ["preserve", "bundler"],
    ["nodenext", "nodenext"],
  ]) {
    const compilerOptions = { ...STRICT, module, moduleResolution };
    writeFileSync(join(place.dir, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["app.ts"] }));
    const check = (): ReturnType<typeof run> =>
      run([join(ROOT, "node_modules/.bin/tsc"), "-p", "."], place.dir);
    writeFileSync(join(place.dir, "app.ts"), RIGHT);
    expect(check()).toEqual({ status: 0, output: "" });
    writeFileSync(join(place.dir, "app.ts"), RIGHT.replace('start(1, "/")', 'start("1", "/")'));
    const { status, output } = check();
    expect(status).not.toBe(0);
    expect(output).toContain("app.ts(5,7): error TS2345");
  }
});
