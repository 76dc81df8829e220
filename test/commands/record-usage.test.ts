/** What `buntrace record` does not take: one line and a status, and nothing touched. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { program } from "./ticking.ts";

setDefaultTimeout(120_000);

describe("bad input is one line and a status:", () => {
  const cases: [args: string[], status: number, line: RegExp, env?: Record<string, string>][] = [
    [["record", "nope.ts"], 127, /^buntrace: nope\.ts: no such file/],
    [["record", "no-such-program"], 127, /^buntrace: no-such-program: no such program/],
    [["record", "./dir"], 126, /^buntrace: \.\/dir is not executable/],
    [["record", "./plain"], 126, /^buntrace: \.\/plain is not executable/],
    [["record"], 2, /^buntrace: missing required argument 'program'/],
    [["record", "--nope", "app.ts"], 2, /^buntrace: unknown option '--nope'/],
    [
      ["record", "--sub-buffers", "x", "app.ts"],
      2,
      /^buntrace: option '--sub-buffers <n>' argument 'x' is invalid/,
    ],
    [
      ["record", "--sub-buffers", "1", "app.ts"],
      2,
      /^buntrace: --sub-buffers 1 is not a whole number from 2 to 64/,
    ],
    [
      ["record", "--sub-buffer-size", "5000", "app.ts"],
      2,
      /^buntrace: --sub-buffer-size 5000 is not a multiple of 4096/,
    ],
    [["record", "--flush-period", "0", "app.ts"], 2, /^buntrace: --flush-period 0 is not/],
    [["record", "--mode", "x", "app.ts"], 2, /^buntrace: mode "x": use one of/],
    [
      ["record", "--max-size", "10", "app.ts"],
      2,
      /^buntrace: --max-size 10 is not a whole number of at least 2099200 \(8 sub-buffers: see --sub-buffer-size\)/,
    ],
    [
      ["record", "--max-chunks", "3", "app.ts"],
      2,
      /^buntrace: --max-chunks needs --rotate-size or --rotate-period/,
    ],
    [["record", "-e", "x[", "app.ts"], 2, /^buntrace: bad glob "x\["/],
    [["record", "-e", "x@loud", "app.ts"], 2, /^buntrace: bad level in "x@loud"/],
    [
      ["record", "-o", "foreign", "app.ts"],
      125,
      /^buntrace: output .*foreign exists and is no buntrace recording/,
    ],
    [["record", "-o", "link", "app.ts"], 125, /^buntrace: output .*link is a symbolic link/],
    [["record", "-o", "plain/x", "app.ts"], 125, /^buntrace: output .*plain\/x cannot be made/],
    [
      ["record", "--session-dir", "open", "app.ts"],
      125,
      /^buntrace: session directory .*open is open to others/,
    ],
    [
      ["record", "--sub-buffer-size", "512M", "app.ts"],
      2,
      /^buntrace: --sub-buffer-size 536870912 x --sub-buffers 8 is more than/,
    ],
    [["record", "app.ts"], 125, /BUN_JSC_useJIT=0/, { BUN_JSC_useJIT: "0" }],
    [
      ["record", "app.ts"],
      125,
      /^buntrace: its library cannot be loaded: .*no-binaries/,
      { BUNTRACE_BINARIES: "/no-binaries" },
    ],
    [["frobnicate"], 2, /^buntrace: unknown command 'frobnicate'/],
  ];

  test.each(cases)("%j gives %d", async (args, status, line, env = {}) => {
    await using place = new Place();
    program(place, `console.log("ran");`);
    program(place, "", "plain");
    chmodSync(join(place.dir, "plain"), 0o644);
    for (const dir of ["dir", "foreign", "target", "open"]) mkdirSync(join(place.dir, dir));
    chmodSync(join(place.dir, "open"), 0o755);
    program(place, "precious", "foreign/file");
    symlinkSync("target", join(place.dir, "link"));
    const result = await cli(place, args, env);
    expect(result.stdout).toBe("");
    expect(result.stderr).toMatch(line);
    expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(result.status).toBe(status);
    expect(readFileSync(join(place.dir, "foreign/file"), "utf8")).toBe("precious");
    expect(place.sessions()).toEqual([]);
  });
});
