/** `buntrace print`, run as a process: forms of time, filters, JSON, colours, ends of output and errors. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { babeltrace } from "../support/babeltrace.ts";
import { HEAD, packet, type PacketOptions, streamBlock, UUID, writeTrace } from "../ctf/hand-made.ts";

const root = mkdtempSync(join(tmpdir(), "buntrace-print-"));
const trace = join(root, "trace");
const program = join(import.meta.dir, "programs/read.ts");

const METADATA = `${HEAD.replace("cpu_id", "tid")}
env { hostname = "host"; procname = "app"; vpid = 77; };
${streamBlock().replace("u32 cpu_id", "u32 tid; integer { size = 8; encoding = UTF8; } thread_name[8]")}
event { name = "http:start"; id = 0; stream_id = 0; fields := struct { u32 id; string url; }; };
event { name = "http:end"; id = 1; stream_id = 0; fields := struct { u32 id; u16 status; u64 bytes; }; };`;

/** A packet of one thread: requests that start and end, 10 ms each, from a second on. */
function thread(tid: number, name: string, options: PacketOptions = {}): Uint8Array {
  const bytes = new TextEncoder();
  const label = bytes.encode(name.padEnd(8, "\0"));
  const events = [0, 1, 2].flatMap((index) => {
    const time = BigInt(index) * 1_000_000_000n + BigInt(tid);
    const id = Uint8Array.of(index, 0, 0, 0);
    return [
      {
        id: 0,
        time,
        body: (bits: Bits) => bits.bytes(Buffer.concat([id, bytes.encode(`/${name}/${index}\0`)])),
      },
      {
        id: 1,
        time: time + 10_000_000n,
        body: (bits: Bits) =>
          bits.bytes(
            Buffer.concat([id, Uint8Array.of(200 + index, 0, 255, 255, 255, 255, 255, 255, 255, index)]),
          ),
      },
    ];
  });
  return packet(events, { instance: BigInt(tid), cpu: tid, context: label, ...options });
}

interface Bits {
  bytes(bytes: Uint8Array): void;
}

interface Result {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number;
}

async function print(args: readonly string[], env: Record<string, string | undefined> = {}): Promise<Result> {
  const child = Bun.spawn(["bun", program, ...args], {
    env: { ...process.env, NO_COLOR: undefined, FORCE_COLOR: undefined, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { stdout, stderr, status };
}

async function lines(...args: string[]): Promise<string[]> {
  const { stdout, stderr, status } = await print(["print", trace, "--utc", ...args]);
  if (stdout === "") expect(stderr).toStartWith("buntrace: no event passes the filter");
  else expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout.split("\n").slice(0, -1);
}

beforeAll(() => {
  writeTrace(trace, { metadata: METADATA, one: thread(1, "main"), two: thread(2, "worker") });
});
afterAll(() => rmSync(root, { recursive: true }));

describe("text", () => {
  test("is babeltrace2's, with the environment's names", async () => {
    const { stdout } = await babeltrace(["--clock-gmt", "--color=never", trace]);
    expect(`${(await lines()).join("\n")}\n`).toBe(stdout);
    expect(stdout).toContain(
      'host:app:(77) http:start: { tid = 1, thread_name = "main" }, { id = 0, url = "/main/0" }',
    );
  });

  test.each([
    ["absolute", "[22:13:20.000000006] (+?.?????????) host"],
    ["epoch", "[1700000000.000000006] (+?.?????????) host"],
    ["relative", "[+0.000000000] host"],
    ["delta", "(+?.?????????) host"],
  ])("times: %s", async (form, begin) => {
    expect((await lines("--time", form))[0]).toStartWith(begin);
  });

  test("times after others", async () => {
    expect((await lines("--time", "relative"))[4]).toStartWith("[+1.000000000] ");
    expect((await lines("--time", "delta"))[4]).toStartWith("(+0.989999999) ");
    expect((await lines("--date"))[0]).toStartWith("[2023-11-14 22:13:20.000000006] ");
  });

  test("is coloured when it is forced, and only then on a pipe", async () => {
    const escape = "\u001b[";
    expect((await print(["print", trace])).stdout).not.toContain(escape);
    const forced = (await print(["print", trace], { FORCE_COLOR: "1" })).stdout;
    expect(forced).toContain(escape);
    expect(Bun.stripANSI(forced)).toBe((await print(["print", trace])).stdout);
    expect((await print(["print", trace], { FORCE_COLOR: "0" })).stdout).not.toContain(escape);
  });
});

describe("filters", () => {
  test.each([
    [["--event", "http:s*"], 6],
    [["--event", "http:s*", "--event", "*:end"], 12],
    [["--event", "http"], 0],
    [["--thread", "1"], 6],
    [["--thread", "work*"], 6],
    [["--thread", "1", "--thread", "worker"], 12],
    [["--thread", "3"], 0],
    [["--since", "+1s"], 8],
    [["--until", "+1s"], 5],
    [["--since", "22:13:21", "--until", "22:13:21.5"], 4],
    [["--since", "2023-11-14 22:13:22"], 4],
    [["--since", "1700000002", "--until", "1700000002.005"], 2],
    [["--where", "status >= 201"], 4],
    [["--where", 'url ~ "^/main/[12]$" || status == 202'], 4],
    [["--where", "!(status) && id == 0"], 2],
    [["--where", "tid == 2 && bytes > 0xffffffffffffff"], 2],
    [["--where", 'thread_name == "main" && id != 1'], 4],
    [["--where", "status == 1"], 0],
  ])("%p", async (args, count) => {
    expect(await lines(...args)).toHaveLength(count);
  });
});

describe("JSON", () => {
  test("is an object a line, with exact times and integers", async () => {
    const objects = (await lines("--json")).map((line): unknown => JSON.parse(line));
    expect(objects).toHaveLength(12);
    expect(objects[0]).toEqual({
      time: "1700000000.000000006",
      name: "http:start",
      packet: { tid: 1, thread_name: "main" },
      fields: { id: 0, url: "/main/0" },
    });
    expect(objects[6]).toMatchObject({ fields: { id: 1, status: 201, bytes: "144115188075855871" } });
    expect(objects[2]).toMatchObject({ fields: { bytes: "72057594037927935" } });
  });

  test("has all contexts, each by its name", async () => {
    const directory = writeTrace(join(root, "contexts"), {
      metadata: `${HEAD}${streamBlock(0, "event.context := struct { u8 a; };")}
        event { name = "x"; id = 0; stream_id = 0; context := struct { u8 b; }; fields := struct { u8 c; }; };`,
      one: packet([{ time: 1n, body: (bits: Bits) => bits.bytes(Uint8Array.of(1, 2, 3)) }], { cpu: 4 }),
    });
    const { stdout } = await print(["print", "--json", directory]);
    expect(JSON.parse(stdout)).toEqual({
      time: "1700000000.000000006",
      name: "x",
      packet: { cpu_id: 4 },
      stream: { a: 1 },
      context: { b: 2 },
      fields: { c: 3 },
    });
  });

  test("tells losses in their place", async () => {
    const lossy = writeTrace(join(root, "lossy"), {
      metadata: METADATA,
      one: Buffer.concat([
        thread(1, "main"),
        thread(1, "main", { sequence: 3n, discarded: 9n, begin: 5n, end: 9_000_000_000n }),
      ]),
    });
    const { stdout, stderr, status } = await print(["print", "--json", lossy]);
    const objects = stdout
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    expect([status, stderr]).toEqual([0, ""]);
    expect(objects.slice(6, 8)).toMatchObject([
      { discarded_events: 9, stream_file: "one" },
      { lost_packets: 2 },
    ]);
    const text = await print(["print", lossy]);
    expect(text.stderr).toMatch(/warning: 9 events were discarded between \[.*\] and \[.*\] in stream one\n/);
    expect(text.stderr).toMatch(/warning: 2 packets were lost between/);
  });
});

describe("ends", () => {
  test("a reader that has enough, as head, is no error", async () => {
    const directory = writeTrace(join(root, "long"), {
      metadata: METADATA,
      one: Buffer.concat(Array.from({ length: 2000 }, () => thread(1, "main"))),
    });
    const shell = `set -o pipefail; bun "${program}" print "${directory}" | head -1; echo "$?"`;
    const child = Bun.spawn(["bash", "-c", shell], { stdout: "pipe", stderr: "pipe" });
    expect((await child.stdout.text()).trim().split("\n")).toEqual([
      expect.stringContaining("http:start"),
      "0",
    ]);
    expect(await child.stderr.text()).toBe("");
  });

  test("a torn trace is read, told, and no error; damage is one", async () => {
    const whole = thread(1, "main");
    const torn = writeTrace(join(root, "torn"), {
      metadata: METADATA,
      one: whole.subarray(0, whole.length - 3),
    });
    const cut = await print(["print", torn]);
    expect(cut.stdout.trim().split("\n")).toHaveLength(5);
    expect(cut.stderr).toMatch(
      /^warning: .*\/torn\/one, packet 0, offset \d+: the file ends in the middle of the packet/,
    );
    expect(cut.status).toBe(0);
    const wrong = packet([{ id: 9, time: 1n }], { context: new Uint8Array(8) });
    const damaged = writeTrace(join(root, "damaged"), {
      metadata: METADATA,
      one: wrong,
      two: thread(2, "worker"),
    });
    const result = await print(["print", damaged]);
    expect(result.stdout.trim().split("\n")).toHaveLength(6);
    expect(result.stderr).toContain("no event with the id 9");
    expect(result.status).toBe(1);
  });

  test.each([
    [["print", "/nowhere"], 1, "buntrace: /nowhere: no such file or directory\n"],
    [
      ["print", "--where", "id >"],
      2,
      "buntrace: --where id >: a field or a value is expected, not the end\n",
    ],
    [["print", "--where", "id = 3"], 2, "buntrace: --where id = 3: = 3 is not understood\n"],
    [["print", "--where", 'url ~ "("'], 2, 'buntrace: --where url ~ "(": "(" is no regular expression\n'],
    [["print", "--since", "yesterday"], 2, /^buntrace: --since yesterday: not a time; write .*\n$/],
    [["print", "--time", "never"], 2, /'never' is invalid/],
  ])("%p: one line on stderr", async (args, status, message) => {
    const result = await print(args.includes("/nowhere") ? args : [...args, trace]);
    expect(result.status).toBe(status);
    expect(result.stdout).toBe("");
    expect(result.stderr).toMatch(message);
    expect(result.stderr.trim().split("\n")).toHaveLength(1);
  });
});

describe("info", () => {
  test("tells clock, threads, event types, sizes", async () => {
    const { stdout, stderr, status } = await print(["info", "--utc", trace]);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(`uuid:       ${UUID}\n`);
    expect(stdout).toContain("from:       hostname=host procname=app vpid=77\n");
    expect(stdout).toContain("clock:      clk, 1,000,000,000 Hz, zero at 2023-11-14 22:13:20.000000005\n");
    expect(stdout).toContain("begin:      2023-11-14 22:13:20.000000006\n");
    expect(stdout).toContain("end:        2023-11-14 22:13:22.010000007 (2.010 s later)\n");
    expect(stdout).toContain("lost:       nothing\n");
    expect(stdout).toMatch(/^one +1 main +6 +1 +\d+ +0 +0$/m);
    expect(stdout).toMatch(/^http:start +6 +id, url$/m);
  });

  test("event types: the frequent first, with their levels, and those that do not occur", async () => {
    const events = ["rare", "frequent", "some", "never"].map(
      (name, id) => `event { name = "${name}"; id = ${id}; stream_id = 0; loglevel = ${id}; };`,
    );
    const ids = [1, 0, 1, 2, 1, 2];
    const directory = writeTrace(join(root, "types"), {
      metadata: `${HEAD.replace("freq = 1000000000; offset_s = 1700000000; offset = 5;", "freq = 4; offset_s = 1700000000; offset = 3;")}${streamBlock()}${events.join("\n")}`,
      one: packet(ids.map((id, at) => ({ id, time: BigInt(at) }))),
    });
    const { stdout } = await print(["info", "--utc", directory]);
    const types = stdout.slice(stdout.indexOf("\nevent ")).trim().split("\n");
    expect(types.map((line) => line.trim())).toEqual([
      "event     count  fields",
      "frequent      3",
      "some          2",
      "rare          1",
      "1 more event types are declared and do not occur",
    ]);
    // Of a clock whose cycles are quarters of seconds.
    expect(stdout).toContain("clock:      clk, 4 Hz, zero at 2023-11-14 22:13:20.750000000\n");
    expect(stdout).toContain(
      "end:        2023-11-14 22:13:22.000000000 (1.250 s later)\nevents:     6, 5 a second\n",
    );
    const json = JSON.parse((await print(["info", "--json", directory])).stdout) as Record<string, unknown>;
    expect(json).toMatchObject({
      unused_event_types: 1,
      event_types: [
        { name: "frequent", id: 1, log_level: 1, count: 3 },
        { name: "some", id: 2, log_level: 2, count: 2 },
        { name: "rare", id: 0, log_level: 0, count: 1 },
      ],
    });
  });

  test("as JSON", async () => {
    const { stdout } = await print(["info", "--json", trace]);
    expect(JSON.parse(stdout)).toMatchObject({
      uuid: UUID,
      events: 12,
      begin: "1700000000.000000006",
      end: "1700000002.010000007",
      clocks: [{ name: "clk", frequency: 1_000_000_000 }],
      streams: [
        { name: "one", context: { tid: 1, thread_name: "main" }, events: 6, packets: 1, discarded_events: 0 },
        { name: "two", context: { tid: 2 } },
      ],
      event_types: [
        { name: "http:start", count: 6, fields: ["id", "url"] },
        { name: "http:end", count: 6, fields: ["id", "status", "bytes"] },
      ],
    });
  });

  test("control characters of a trace do not reach the terminal", async () => {
    const hostile = writeTrace(join(root, "hostile"), {
      metadata: `${METADATA.replace('"app"', '"\\033[31mapp\\nend:"').replace("freq", 'description = "\\033[2J"; freq')}
        event { name = "\\033[1m"; id = 2; stream_id = 0; fields := struct { u32 id; }; };`,
      one: thread(1, "\x1b[3m"),
    });
    const { stdout } = await print(["info", hostile]);
    expect(stdout.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
    expect(stdout).toContain("from:       hostname=host procname= [31mapp end: vpid=77\n");
    expect(stdout).toContain("clock:      clk ( [2J), 1,000,000,000 Hz");
  });

  test("tells losses and damage", async () => {
    const { stdout } = await print(["info", join(root, "lossy")]);
    expect(stdout).toContain("lost:       9 events discarded, 2 packets\n");
    const { stderr, status } = await print(["info", join(root, "damaged")]);
    expect(stderr).toContain("no event with the id 9");
    expect(status).toBe(1);
  });
});
