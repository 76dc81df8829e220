/**
 * Emits events around children of every kind: one that Bun starts, one that is traced
 * itself, and a bare fork. Started by tests, under the recorder: `forks.ts LIBRARY`,
 * the one made of fork.c; without it, it is the child.
 */
import { dlopen } from "bun:ffi";

import { provider } from "../../../src/index.ts";

const point = provider("test").tracepoint("event", [["n", "u32"]]);
const library = process.argv[2];
if (library === undefined) {
  for (let n = 0; n < 10; n++) point(1000 + n);
} else {
  for (let n = 0; n < 10; n++) point(n);
  Bun.spawnSync(["true"]);
  const { fork_and_leave } = dlopen(library, { fork_and_leave: { args: [], returns: "i32" } }).symbols;
  const status = fork_and_leave();
  const preload = process.execArgv.filter((arg) => arg.startsWith("--preload"));
  const traced = Bun.spawnSync([process.execPath, ...preload, import.meta.filename]);
  for (let n = 10; n < 20; n++) point(n);
  console.log(JSON.stringify({ status, traced: traced.exitCode, pid: process.pid }));
}
