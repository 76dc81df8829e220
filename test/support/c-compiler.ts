/**
 * Builds C programs for tests, with the machine's own compiler and its sanitizers
 * where there is one, else with zig and what it brings. Runs in the test process.
 */
import { join } from "node:path";

import { compile } from "../../shim/build.ts";

/** Which errors the built program must die of. */
export type Sanitizer = "address" | "thread" | "none";

const FLAGS: Readonly<Record<Sanitizer, readonly string[]>> = {
  address: ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
  // gcc's knows no fences; those of ring.h order nothing that its threads race for.
  thread: ["-fsanitize=thread", "-Wno-tsan"],
  none: [],
};

/** The system's compiler that links with this sanitizer; undefined: none. */
function systemCompiler(sanitizer: Sanitizer): string | undefined {
  const probe = [
    "-x",
    "c",
    "-",
    "-o",
    "/dev/null",
    ...FLAGS[sanitizer].filter((flag) => flag.startsWith("-f")),
  ];
  return ["cc", "gcc", "clang"].find((name) => {
    try {
      const { exitCode } = Bun.spawnSync([name, ...probe], {
        stdin: Buffer.from("int main(void) { return 0; }"),
        stdout: "ignore",
        stderr: "ignore",
      });
      return exitCode === 0;
    } catch {
      return false;
    }
  });
}

/**
 * Builds a program. Where the machine has no compiler with the sanitizer, zig's
 * takes its place with traps for undefined behaviour.
 * @throws Error with the compiler's words.
 */
export function buildProgram(output: string, sources: readonly string[], sanitizer: Sanitizer): void {
  const flags = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", ...sources, "-pthread"];
  const compiler = systemCompiler(sanitizer);
  if (compiler === undefined) {
    console.error(`  no compiler with the ${sanitizer} sanitizer: built with zig`);
    compile(output, [...flags, "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]);
    return;
  }
  const run = Bun.spawnSync([compiler, ...FLAGS[sanitizer], ...flags, "-o", output], { stderr: "pipe" });
  if (run.exitCode !== 0) throw new Error(`${compiler} failed for ${output}:\n${run.stderr.toString()}`);
}

/** A C file beside the shim's own. */
export function shimSource(name: string): string {
  return join(import.meta.dirname, "../../shim", name);
}

/**
 * Builds a program whose `instrumented` sources call the functions of the thread
 * sanitizer at every access to memory, and whose `plain` ones define those functions.
 * @throws Error when gcc is not installed, or with its words.
 */
export function buildInstrumented(output: string, instrumented: string, plain: string): void {
  const common = ["-std=gnu11", "-g", "-Wall", "-Wextra", "-Werror", "-Wno-tsan"];
  const steps = [
    [...common, "-O1", "-fsanitize=thread", "-c", instrumented, "-o", `${output}.code.o`],
    [...common, "-O3", "-c", plain, "-o", `${output}.plain.o`],
    [`${output}.code.o`, `${output}.plain.o`, "-o", output],
  ];
  for (const step of steps) {
    const run = Bun.spawnSync(["gcc", ...step], { stderr: "pipe" });
    if (run.exitCode !== 0) throw new Error(`gcc failed for ${output}:\n${run.stderr.toString()}`);
  }
}
