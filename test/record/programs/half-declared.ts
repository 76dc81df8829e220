/**
 * Declares an event type while the metadata has room for a part of it only, and another
 * when there is room again; emits an event of each. Started by tests, under the recorder:
 * `half-declared.ts OUTPUT`.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

import { provider } from "../../../src/index.ts";

const test = provider("test");

/** The most bytes of a file that this process writes. */
function limitFiles(bytes: number | "unlimited"): void {
  const { exitCode } = Bun.spawnSync(["prlimit", `--pid=${process.pid}`, `--fsize=${bytes}:unlimited`]);
  if (exitCode !== 0) throw new Error("prlimit failed");
}

const output = process.argv[2] ?? "";
const metadata = join(output, readdirSync(output)[0] ?? "", "metadata");
// Beyond the session file's part that is written as it is.
const labels = Array.from({ length: 2000 }, (_, i) => `a_long_label_${i}`);
test.tracepoint("large", [["n", { enum: labels }]])("a_long_label_7");
limitFiles(statSync(metadata).size + 50);
test.tracepoint("half", [["n", "u32"]])(1);
limitFiles("unlimited");
test.tracepoint("whole", [["n", "u32"]])(2);
console.log(statSync(metadata).size);
