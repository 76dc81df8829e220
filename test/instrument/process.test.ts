/** Provider `process`: whatever way a program ends, it does so as untraced, and the trace says how. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import type { TraceEvent } from "../support/babeltrace.ts";
import { both, shown } from "./both.ts";

setDefaultTimeout(120_000);

const PROGRAM = "process-end.ts";

/** Its two `exit` lines say the code that the program itself is told. */
const ENDS: readonly (readonly [way: string, status: number, errors: readonly unknown[][]])[] = [
  ["end", 0, []],
  ["exit", 7, []],
  ["exit-code", 9, []],
  ["throw", 1, [["uncaught_error", "OwnError", "first line\nsecond line"]]],
  ["throw-later", 1, [["uncaught_error", "OwnError", "first line\nsecond line"]]],
  ["throw-type-error", 1, [["uncaught_error", "TypeError", expect.stringContaining("is not an object")]]],
  ["throw-string", 1, [["unhandled_rejection", "string", "a string"]]],
  ["throw-handled", 0, [["uncaught_error", "OwnError", "first line\nsecond line"]]],
  ["top-level-await", 1, [["uncaught_error", "OwnError", "first line\nsecond line"]]],
  ["reject", 1, [["unhandled_rejection", "OwnError", "rejected"]]],
  ["reject-later-exit", 7, [["unhandled_rejection", "OwnError", "rejected"]]],
  ["reject-exit-code", 1, [["unhandled_rejection", "OwnError", "rejected"]]],
  ["reject-and-exit", 9, []],
  [
    "reject-three",
    1,
    [
      ["unhandled_rejection", "OwnError", "one"],
      ["unhandled_rejection", "number", "2"],
      ["unhandled_rejection", "object", "[object Object]"],
    ],
  ],
  ["reject-handled", 0, [["unhandled_rejection", "OwnError", "rejected"]]],
  [
    "reject-once",
    1,
    [
      ["unhandled_rejection", "OwnError", "one"],
      ["unhandled_rejection", "OwnError", "two"],
    ],
  ],
  [
    "reject-twice",
    1,
    [
      ["unhandled_rejection", "OwnError", "one"],
      ["unhandled_rejection", "OwnError", "two"],
    ],
  ],
  ["reject-late-catch", 0, []],
  ["reject-and-throw", 1, [["unhandled_rejection", "OwnError", "rejected"]]],
  ["monitored", 1, [["uncaught_error", "OwnError", "first line\nsecond line"]]],
  ["report", 1, [["uncaught_error", "OwnError", "reported"]]],
];

test.each(ENDS)("%s", async (way, status, errors) => {
  const { ended, events } = await both(PROGRAM, [way]);
  expect(ended.status).toBe(status);
  const own = shown(events, "process");
  expect(own[0]).toEqual([
    "process:start",
    {
      pid: ended.pid,
      ppid: process.pid,
      argv: expect.stringMatching(new RegExp(`process-end\\.ts ${way}$`)),
      exec_argv: expect.any(String),
      cwd: expect.any(String),
      bun_version: Bun.version,
    },
  ]);
  expect(own.at(-1)).toEqual(["process:exit", { code: status }]);
  expect(errorsOf(events)).toEqual([...errors]);
});

function errorsOf(events: readonly TraceEvent[]): unknown[][] {
  return events
    .filter(({ name }) => name === "process:uncaught_error" || name === "process:unhandled_rejection")
    .map(({ name, fields }) => [name.slice("process:".length), fields["name"], fields["message"]]);
}

test.each(["strict", "throw", "warn", "none"])("--unhandled-rejections=%s", async (mode) => {
  for (const way of ["reject", "reject-handled"]) {
    const { events } = await both(PROGRAM, [way], { bunArgs: [`--unhandled-rejections=${mode}`] });
    expect(shown(events, "process").map(([name]) => name)).toContain("process:exit");
  }
});

test("in a directory that was removed", async () => {
  const script = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" "$@"';
  const { events } = await both(PROGRAM, ["throw"], { wrap: ["sh", "-c", script] });
  expect(shown(events, "process").map(([name]) => name)).toEqual([
    "process:start",
    "process:uncaught_error",
    "process:exit",
  ]);
});

test("the stack says where, and not in the tracer", async () => {
  const { events } = await both(PROGRAM, ["throw-later"]);
  const error = events.find(({ name }) => name === "process:uncaught_error");
  expect(error?.level).toBe(3);
  expect(String(error?.fields["stack"])).toMatch(/^at fail \(.*process-end\.ts:12:\d+\)$/);
});

test("a program does not see the listeners, and cannot remove them", async () => {
  const { events } = await both("process-listeners.ts");
  expect(shown(events, "process").map(([name]) => name)).toEqual([
    "process:start",
    "process:unhandled_rejection",
    "process:exit",
  ]);
});

/** In a Worker: the first rejection ends it, and one in its last task is reported by nobody. */
const IN_WORKER: typeof ENDS = ENDS.filter(([way]) => way !== "reject-once").map((end) => {
  const [way, status, errors] = end;
  if (way === "throw-string") return [way, status, []];
  return way === "reject-twice" ? [way, status, errors.slice(0, 1)] : end;
});

describe.each(["web", "node"])("a Worker (%s)", (kind) => {
  test.each(IN_WORKER)("%s", async (way, _status, errors) => {
    const normalize = (text: string): string =>
      text
        .split("\n")
        .filter((line) => line.startsWith("seen: "))
        .join("\n");
    const { events, ended } = await both("worker-end.ts", [kind, way], { normalize });
    expect(normalize(ended.stdout)).not.toBe("");
    expect(errorsOf(events)).toEqual([...errors]);
  });
});
