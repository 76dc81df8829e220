/**
 * An output that is there is moved to `.old` unless a running program is recorded to it:
 * which sessions count as such. Session files are a real program's, with the header changed.
 */
import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { prepareOutput, restoreOutput } from "../../src/record/output.ts";
import { SESSION_OFFSETS } from "../../src/record/session-file.ts";
import { readTrace } from "../support/babeltrace.ts";
import { Place } from "../support/place.ts";
import { abandonedSession, redirect } from "../support/session-files.ts";

const AT = SESSION_OFFSETS;
const ENDINGS = join(import.meta.dirname, "../faults/programs/endings.ts");

/** Field 22 of /proc/PID/stat. */
function startOf(pid: number): bigint {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return BigInt(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "");
}

test("an output is in use while a program that runs is recorded to a trace in it, and not otherwise", async () => {
  await using place = new Place();
  const session = { subBufferSize: 4096, subBuffers: 2 };
  const path = await abandonedSession(place, ENDINGS, ["SIGKILL", "1"], session);
  const abandoned = readFileSync(path);
  const running = Bun.spawn(["sleep", "1000"]);
  const output = join(place.dir, "out");
  const trace = join(output, "app-1");
  symlinkSync(place.dir, join(place.dir, "link"));
  const runs = (header: Buffer, pid: number): void => {
    header.writeUInt32LE(pid, AT.pid);
    header.writeBigUInt64LE(startOf(pid), AT.process_start);
  };
  const inUse = `output ${output}: endings (pid ${running.pid}) is being recorded there; name another with -o`;
  const cases: [what: string, found: string, change: (header: Buffer) => void][] = [
    ["a program that runs", inUse, () => {}],
    [
      "its trace named through a link",
      inUse,
      (header) => redirect(header, join(place.dir, "link/out/app-1")),
    ],
    ["the recording is over", "moved", (header) => void header.writeUInt32LE(1, AT.state)],
    ["another process got the pid", "moved", (header) => void header.writeBigUInt64LE(1n, AT.process_start)],
    ["the program is dead", "moved", (header) => abandoned.copy(header, AT.pid, AT.pid, AT.mode)],
    ["this very process, before it replaced itself", "moved", (header) => runs(header, process.pid)],
    ["its trace is gone", "moved", (header) => void header.write("/gone-", AT.trace_dir + output.length)],
    ["its trace is beside", "moved", (header) => redirect(header, `${output}-2/app-1`)],
  ];
  try {
    for (const [what, found, change] of cases) {
      const header = Buffer.from(abandoned);
      redirect(header, trace);
      writeFileSync(join(trace, "metadata"), "/* CTF 1.8 */");
      runs(header, running.pid);
      change(header);
      // By a link `redirect` has emptied it.
      writeFileSync(join(trace, "metadata"), "/* CTF 1.8 */");
      writeFileSync(path, header);
      let result: string;
      try {
        result = prepareOutput(output, place.sessionDir).moved ? "moved" : "empty";
      } catch (error) {
        result = error instanceof Error ? error.message : String(error);
      }
      expect([what, result]).toEqual([what, found]);
      expect(existsSync(trace)).toBe(found !== "moved");
    }
  } finally {
    running.kill();
  }
});

test("a program that replaces itself goes on in the same output", async () => {
  await using place = new Place();
  const source = join(place.dir, "again.ts");
  const options = { output: "again", sessionDir: place.sessionDir, enable: ["test:*"] };
  writeFileSync(
    source,
    `import { openSession, provider } from ${JSON.stringify(join(import.meta.dirname, "../../src/index.ts"))};
    const life = Number(process.argv[2]);
    await openSession(${JSON.stringify(options)});
    provider("test").tracepoint("life", [["n", "u32"]])(life);
    if (life < 2) process.execve(process.execPath, [process.execPath, process.argv[1], String(life + 1)]);`,
  );
  const program = Bun.spawn([process.execPath, source, "1"], { cwd: place.dir, stderr: "pipe" });
  expect([await program.stderr.text(), await program.exited]).toEqual(["", 0]);
  await place.recorded();
  for (const [output, n] of [
    ["again.old", 1],
    ["again", 2],
  ] as const)
    expect((await readTrace(join(place.dir, output))).map(({ fields }) => fields["n"])).toEqual([n]);
});

test("a recording is put back from .old only where nothing was recorded over it", () => {
  const dir = mkdtempSync(join(tmpdir(), "buntrace-output-"));
  const output = join(dir, "out");
  const record = (name: string): void => {
    mkdirSync(join(output, name), { recursive: true });
    writeFileSync(join(output, name, "metadata"), "/* CTF 1.8 */");
  };
  record("first");
  restoreOutput(prepareOutput(output, dir));
  expect([readdirSync(dir), readdirSync(output)]).toEqual([["out"], ["first"]]);
  const prepared = prepareOutput(output, dir);
  record("second");
  restoreOutput(prepared);
  expect([readdirSync(output), readdirSync(`${output}.old`)]).toEqual([["second"], ["first"]]);
  rmSync(dir, { recursive: true });
});
