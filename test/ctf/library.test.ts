/**
 * The library entry `buntrace/ctf`, as the README shows it: its example is run by a
 * program that has the package installed.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { HEAD, packet, streamBlock, writeTrace } from "./hand-made.ts";

const directory = mkdtempSync(join(tmpdir(), "buntrace-library-"));
afterAll(() => rmSync(directory, { recursive: true }));

test("the README's example reads a trace", () => {
  const readme = readFileSync(join(import.meta.dir, "../../README.md"), "utf8");
  const example = /```ts\n(import \{ openTraces \} from "buntrace\/ctf";\n[^]*?)```/.exec(readme)?.[1] ?? "";
  const metadata = `${HEAD}${streamBlock()}
    event { name = "http:start"; id = 0; stream_id = 0; fields := struct { string _url; }; };
    event { name = "http:end"; id = 1; stream_id = 0; fields := struct { u16 _status; u32 _bytes; }; };`;
  const stream = packet([
    { id: 0, time: 1n, body: (bits) => bits.bytes(new TextEncoder().encode("/a\0")) },
    { id: 1, time: 2n, body: (bits) => bits.bytes(Uint8Array.of(200, 0, 0, 1, 0, 0)) },
    { id: 1, time: 3n, body: (bits) => bits.bytes(Uint8Array.of(148, 1, 44, 0, 0, 0)) },
  ]);
  writeTrace(join(directory, "buntrace.data"), { metadata, stream });
  writeTrace(directory, { "read.ts": example });
  mkdirSync(join(directory, "node_modules"));
  symlinkSync(join(import.meta.dir, "../.."), join(directory, "node_modules/buntrace"));
  const { stdout, stderr } = Bun.spawnSync(["bun", "read.ts"], { cwd: directory, stderr: "pipe" });
  expect(stderr.toString()).toBe("");
  expect(
    stdout
      .toString()
      .replace(/\{\n +|,\n *|\n\}/g, (found) =>
        found.startsWith("{") ? "{ " : found.startsWith(",") ? " " : "}",
      ),
  ).toBe(`1700000000000000006n http:start { url: "/a" }
1700000000000000007n http:end { status: 200 bytes: 256 }
1700000000000000008n http:end { status: 404 bytes: 44 }
300 bytes
`);
});
