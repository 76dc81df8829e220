/**
 * `buntrace report`, `graph`, `hist` and `diff` as people see them: the text of traces made
 * by hand, colours, and what they say of bad input.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { Random } from "../support/random.ts";
import type { Ended } from "../support/run.ts";
import { HEAD, packet, writeTrace } from "../ctf/hand-made.ts";
import { writeForest } from "../spans/forest.ts";
import type { Told } from "../spans/oracle.ts";

setDefaultTimeout(120_000);

const place = new Place();
afterAll(() => place[Symbol.asyncDispose]());

/** Requests of 1000 us and more, each with a query of a quarter of it; the last one and its query never end. */
function requests(count: number, queryShare: number): Told[] {
  const events: Told[] = [];
  for (let at = 0; at < count; at += 1) {
    const start = 1_000_000 + at * 10_000_000;
    const length = 1_000_000 + at * 100_000;
    const [id, query] = [at * 2 + 1, at * 2 + 2];
    const one = { stream: 0 } as const;
    events.push(
      { ...one, kind: "begin", name: "http:request", time: start, id, own: at },
      { ...one, kind: "begin", name: "sql:query", time: start + 1000, id: query, parent: id, own: at },
      { ...one, kind: "other", name: "app:note", time: start + 2000 },
    );
    if (at === count - 1) continue;
    events.push(
      {
        ...one,
        kind: "end",
        name: "sql:query",
        time: start + 1000 + length * queryShare,
        id: query,
        failed: at === 3,
      },
      { ...one, kind: "end", name: "http:request", time: start + length, id },
    );
  }
  return events;
}

/** Spans of so many milliseconds, one after the other. */
function gaps(lengths: readonly number[]): Told[] {
  const one = { stream: 0, name: "sql:query" } as const;
  return lengths.flatMap((length, at): Told[] => {
    const time = (at + 1) * 20_000_000;
    return [
      { ...one, kind: "begin", time, id: at + 1 },
      { ...one, kind: "end", time: time + length * 1e6, id: at + 1 },
    ];
  });
}

beforeAll(() => {
  const write = (name: string, kept: readonly Told[], discarded: readonly Told[] = []): void => {
    writeForest(join(place.dir, name), new Random(1), { kept, discarded });
  };
  const before = requests(11, 0.25);
  write("before", before);
  write("after", requests(9, 0.5));
  const lost = before.filter(
    ({ kind, id = 0 }) => (kind === "end" && id === 7) || (kind === "begin" && id === 10),
  );
  write(
    "lossy",
    before.filter((one) => !lost.includes(one)),
    lost,
  );
  write("gaps", gaps([1, 2, 10]));
  write("noteless", [{ stream: 0, time: 5, kind: "other", name: "app:note" }]);
});

async function text(...args: string[]): Promise<string> {
  const { stdout, stderr, status } = await cli(place, args);
  expect([stderr, status]).toEqual(["", 0]);
  return stdout;
}

test("report", async () => {
  expect(await text("report", "before")).toBe(`before: 53 events in 100.002 ms, 530 a second
running at the end: 2 spans
  http:request  for 2.000 us  { text = "http:request", own = 10 }  thread 100
    sql:query  for 1.000 us  { text = "sql:query", own = 10 }  thread 100

span          count  a second  failed  running    total     self     mean      p50      p95      p99      max
http:request     10       100       0        1  14.5 ms  10.9 ms  1.45 ms  1.40 ms  1.90 ms  1.90 ms  1.90 ms
sql:query        10       100       1        1  3.63 ms  3.63 ms   363 us   350 us   475 us   475 us   475 us

event     count  a second
app:note     11       110
`);
});

test("report of a trace with losses says them, and marks what may have ended", async () => {
  const [, lost, spans, running, first] = (await text("report", "lossy")).split("\n");
  expect(lost).toBe("lost: 2 events discarded");
  expect(spans).toBe("not counted as spans: 1 end without a begin");
  expect(running).toBe("running at the end: 3 spans; the ends of 1 may be among the lost events");
  expect(first).toMatch(/^ {2}http:request {2}for .* {2}thread 100 {2}its end may be among the lost events$/);
});

test("report sorted by name, and by a thread", async () => {
  const lines = (await text("report", "before", "--sort", "name", "--by", "thread", "-e", "*:*")).split("\n");
  expect(
    lines.filter((line) => /^(http|sql):/.test(line)).map((line) => line.split(/ {2,}/).slice(0, 3)),
  ).toEqual([
    ["http:request", "100", "10"],
    ["sql:query", "100", "10"],
  ]);
});

test("graph", async () => {
  expect(await text("graph", "before"))
    .toBe(`span          count  failed  running    total     self   share     mean      max
http:request     10       0        1  14.5 ms  10.9 ms  75.0 %  1.45 ms  1.90 ms
└─ sql:query     10       1        1  3.63 ms  3.63 ms  25.0 %   363 us   475 us
`);
});

test("hist", async () => {
  const { stdout } = await cli(place, ["hist", "before", "http:request"], { COLUMNS: "60" });
  expect(stdout)
    .toBe(`http:request: 10 spans, min 1.00 ms, mean 1.45 ms, p50 1.40 ms, p95 1.90 ms, p99 1.90 ms, max 1.90 ms
not in it: 1 running at the end

   from  count   share
1.00 ms      1  10.0 %           ███████████████████████████
1.10 ms      1  10.0 %           ███████████████████████████
1.20 ms      1  10.0 %           ███████████████████████████
1.30 ms      1  10.0 %           ███████████████████████████
1.40 ms      1  10.0 %  p50      ███████████████████████████
1.50 ms      1  10.0 %           ███████████████████████████
1.60 ms      1  10.0 %           ███████████████████████████
1.70 ms      1  10.0 %           ███████████████████████████
1.80 ms      1  10.0 %           ███████████████████████████
1.90 ms      1  10.0 %  p95 p99  ███████████████████████████
`);
});

test("hist folds long runs of rows without values", async () => {
  const { stdout } = await cli(place, ["hist", "gaps", "sql:query"], { COLUMNS: "60" });
  const rows = stdout.split("\n").slice(3, -1);
  expect(rows.map((row) => row.trim().split(/ {2,}/).slice(0, 2))).toEqual([
    ["1.00 ms", "1"],
    ["1.20 ms", "0"],
    ["1.50 ms", "0"],
    ["2.00 ms", "1"],
    ["..."],
    ["10.0 ms", "1"],
  ]);
  expect(rows[4]).toBe("    ...");
});

test.each([
  [["print"], "sql:query", "sql:query is a span: its events are sql:query_begin, sql:query_end"],
  [["print"], "*:query", "*:query is a span: its events are sql:query_begin, sql:query_end"],
  [["print"], "nosuch", "no event is called nosuch"],
  [
    ["export", "--to", "csv"],
    "sql:query",
    "sql:query is a span: its events are sql:query_begin, sql:query_end",
  ],
  [
    ["export", "--to", "chrome"],
    "sql:query_end",
    "sql:query_end is the begin or end of a span: name the span, sql:query",
  ],
  [["report"], "sql:query_begin", "sql:query_begin is the begin or end of a span: name the span, sql:query"],
  [["open", "--export", "page.html"], "nosuch", "no event is called nosuch"],
])("%p -e %s: nothing passes, and why", async (args, glob, hint) => {
  const { stdout, stderr } = await cli(place, [...args, "before", "-e", glob]);
  expect(stdout + stderr).toEndWith(`no event passes the filter; ${hint}\n`);
});

test("a filter of fields or threads that nothing passes is told too", async () => {
  for (const filter of [
    ["-w", "own == -3"],
    ["-t", "nosuch"],
    ["--since", "+1s"],
  ]) {
    for (const args of [["print"], ["print", "--json"]]) {
      const { stdout, stderr, status } = await cli(place, [...args, "before", ...filter]);
      expect([stdout, stderr, status]).toEqual(["", "buntrace: no event passes the filter\n", 0]);
    }
    const { stderr } = await cli(place, ["export", "before", "--to", "chrome", ...filter]);
    expect(stderr).toBe("buntrace: 0 spans -> stdout; no event passes the filter\n");
    const page = await cli(place, ["open", "before", "--export", "page.html", ...filter]);
    expect([page.stderr, page.status]).toEqual(["buntrace: no event passes the filter\n", 1]);
  }
  // Something passed: only spans were asked for.
  const { stderr } = await cli(place, ["export", "before", "--to", "speedscope", "-e", "app:note"]);
  expect(stderr).not.toContain("filter");
});

test("times with units in --where", async () => {
  const count = async (where: string): Promise<number> => {
    const line = (await text("report", "before", "--json", "-w", where)).split("\n")[1] ?? "";
    return Number(JSON.parse(line).count);
  };
  for (const limit of ["1500000", "1.5ms", "1500us", "1500000ns", "0.0015s", "15e-4s"])
    expect([limit, await count(`duration > ${limit}`)]).toEqual([limit, 4]);
  expect((await cli(place, ["report", "before", "-w", "duration > 1.5min"])).stderr).toContain(
    "1.5min is not understood",
  );
});

test("diff", async () => {
  expect(await text("diff", "before", "after")).toBe(`before  before: 53 events in 100.002 ms
after   after: 43 events in 80.002 ms

name          count  after            mean    after              p50    after              p99    after
sql:query        10      8  -20 %   363 us   675 us   +86 %   350 us   650 us   +86 %   475 us   850 us  +79 %
http:request     10      8  -20 %  1.45 ms  1.35 ms  -6.9 %  1.40 ms  1.30 ms  -7.1 %  1.90 ms  1.70 ms  -11 %
app:note         11      9  -18 %
`);
  const [query] = (await text("diff", "before", "after", "--json")).split("\n");
  expect(JSON.parse(query ?? "")).toMatchObject({
    kind: "span",
    name: "sql:query",
    before: { count: 10, failed: 1, mean_ns: 362_500 },
    after: { count: 8, failed: 1, mean_ns: 675_000 },
    change: { count: -0.2 },
  });
  const only = (await text("diff", "before", "noteless", "--json")).split("\n").filter((line) => line !== "");
  expect(only.map((line) => JSON.parse(line)).map(({ name, after }) => [name, after])).toEqual([
    ["http:request", null],
    ["sql:query", null],
    ["app:note", { count: 1 }],
  ]);
});

/** Packets of two events each. */
class Least extends Random {
  override below(): number {
    return 1;
  }
}

test("--since and --until between a span's events, and between their packets: what began in time, whole", async () => {
  writeForest(join(place.dir, "split"), new Least(1), { kept: requests(11, 0.25), discarded: [] });
  for (const at of [0, 1, 5, 8]) {
    const inside = `+${at * 10_000 + 500}us`;
    const since = await text("report", "split", "--since", inside);
    expect(since).not.toContain("without");
    expect(since).toMatch(new RegExp(`^http:request +${9 - at} `, "m"));
    expect(await text("report", "split", "--until", inside)).toMatch(
      new RegExp(`^http:request +${at + 1} `, "m"),
    );
  }
});

test("hist says which events found no partner", async () => {
  const [title, rest] = (await text("hist", "before", "http:request_end", "sql:query_begin")).split("\n");
  expect(title).toStartWith("http:request_end to sql:query_begin: 10 pairs, ");
  expect(rest).toBe("not in it: 1 sql:query_begin without one before");
});

test("a field of more values than there is room for", async () => {
  const kept = Array.from({ length: 1200 }, (_none, at): Told[] => [
    { stream: 0, kind: "begin", name: "sql:query", time: at * 10, id: at + 1, own: at },
    { stream: 0, kind: "end", name: "sql:query", time: at * 10 + 5, id: at + 1, own: at },
  ]).flat();
  writeForest(join(place.dir, "values"), new Random(1), { kept, discarded: [] });
  const lines = (await text("report", "values", "--by", "own", "--json")).trim().split("\n");
  const spans = lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === "span");
  expect(spans).toHaveLength(1001);
  expect(spans.find(({ by }) => by === "(others)")).toMatchObject({ count: 200 });
});

test("a counter's last value is the last in time, whichever stream is read last", async () => {
  const counted = (time: bigint, value: bigint, instance: bigint): Uint8Array =>
    packet([{ time, body: (bits) => bits.integer(value, 32, true) }], { instance });
  writeTrace(join(place.dir, "counters"), {
    metadata: `${HEAD}env { tracer_name = "buntrace"; };
stream { id = 0; packet.context := struct { time timestamp_begin; time timestamp_end; u64 content_size;
  u64 packet_size; u64 packet_seq_num; u64 events_discarded; u32 tid; };
  event.header := struct { u32 id; time timestamp; }; };
event { name = "x:depth"; id = 0; stream_id = 0; model.emf.uri = "buntrace:counter";
  fields := struct { u32 value; }; };`,
    one: counted(30n, 7n, 0n),
    two: counted(20n, 9n, 1n),
  });
  const counter = (await text("report", "counters", "--json")).split("\n")[1];
  expect(JSON.parse(counter ?? "")).toMatchObject({ kind: "counter", count: 2, min: 7, max: 9, last: 7 });
});

test("colours as NO_COLOR and FORCE_COLOR say", async () => {
  for (const args of [
    ["report", "lossy"],
    ["graph", "before"],
    ["hist", "before", "http:request"],
    ["diff", "before", "after"],
  ]) {
    const plain = await cli(place, args);
    const coloured = await cli(place, args, { NO_COLOR: undefined, FORCE_COLOR: "1" });
    expect(plain.stdout).not.toContain("\x1b");
    expect(coloured.stdout).toContain("\x1b[");
    expect(Bun.stripANSI(coloured.stdout)).toBe(plain.stdout);
  }
});

test("control characters of a trace do not reach the terminal", async () => {
  writeTrace(join(place.dir, "hostile"), {
    metadata: `${HEAD}env { tracer_name = "buntrace"; };
stream { id = 0; packet.context := struct { time timestamp_begin; time timestamp_end; u64 content_size;
  u64 packet_size; u64 packet_seq_num; u64 events_discarded; u32 tid; };
  event.header := struct { u32 id; time timestamp; }; };
event { name = "x\\033[31m_begin"; id = 0; stream_id = 0; model.emf.uri = "buntrace:span_begin";
  fields := struct { u32 span_id; u32 parent_id; string text; }; };
event { name = "x\\033[31m_end"; id = 1; stream_id = 0; model.emf.uri = "buntrace:span_end";
  fields := struct { u32 span_id; u8 failed; }; };`,
    stream: packet([
      {
        time: 1n,
        body: (bits) => bits.bytes(Buffer.from("\x01\0\0\0\0\0\0\0\x1b[2J\x07\n\0")),
      },
    ]),
  });
  for (const args of [
    ["report", "hostile"],
    ["report", "hostile", "--by", "text"],
    ["graph", "hostile"],
  ])
    expect((await text(...args)).replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
});

test.each<readonly [args: string[], status: number, message: string]>([
  [["report", "nowhere"], 1, "nowhere: no such file or directory"],
  [["report", "before", "--sort", "weight"], 2, "it is one of total, self, count"],
  [["report", "before", "--since", "yesterday"], 2, "--since yesterday: not a time"],
  [["report", "before", "-w", "own =="], 2, "--where own ==:"],
  [["hist", "before"], 2, "missing required argument 'name'"],
  [["hist", "before", "nothing"], 1, "no span nothing; there are http:request, sql:query"],
  [["hist", "before", "app:note"], 1, "no span app:note; it is an event: name a second one"],
  [["hist", "noteless", "x"], 1, "no span x; there are no spans in what was read"],
  [
    ["hist", "before", "sql:query", "app:note"],
    1,
    "no event sql:query; sql:query is a span: its events are sql:query_begin, sql:query_end",
  ],
  [["hist", "before", "app:note", "nothing"], 1, "no event nothing; see which there are with: buntrace info"],
  [["hist", "before", "sql:query", "--by", "own"], 2, "--by ties two events together"],
  [
    ["hist", "before", "sql:query_begin", "sql:query_end", "--by", "colour"],
    1,
    "no event has a field colour; there are",
  ],
  [
    ["hist", "before", "http:request", "-w", "own == 10"],
    1,
    "http:request: none in before ended; 1 running at the end",
  ],
  [["diff", "before"], 2, "missing required argument 'after'"],
  [["diff", "before", "after", "--sort", "colour"], 2, "it is one of impact, mean"],
])("%p ends with %d: %s", async (args, status, message) => {
  const ended: Ended = await cli(place, args);
  expect([ended.stdout, ended.status]).toEqual(["", status]);
  expect(ended.stderr).toContain(message);
  expect(ended.stderr.trimEnd().split("\n")).toHaveLength(1);
});

test("traces that are empty, have no times, or are cut and damaged", async () => {
  writeTrace(join(place.dir, "empty"), { metadata: HEAD });
  expect(await text("report", "empty")).toBe("empty: 0 events\nno events\n");
  expect(await text("diff", "empty", "empty")).toEndWith("\n\nno events in either\n");
  expect(await text("diff", "before", "after", "-e", "x")).toEndWith(
    "\n\nno event passes the filter in either\n",
  );
  expect(await text("graph", "empty")).toBe("no span passes among 0 events\n");
  expect((await cli(place, ["hist", "empty", "x"])).stderr).toContain("no span x");

  writeTrace(join(place.dir, "timeless"), {
    metadata: `/* CTF 1.8 */ typealias integer { size = 8; align = 8; signed = false; } := u8;
trace { major = 1; minor = 8; byte_order = le; };
stream { event.header := struct { u8 id; }; };
event { name = "a_begin"; id = 0; fields := struct { u8 n; }; };
event { name = "a_end"; id = 1; fields := struct { u8 n; }; };`,
    stream: Uint8Array.of(0, 1, 0, 2, 1, 3, 1, 4),
  });
  expect(await text("report", "timeless")).toMatch(/^timeless: 4 events\n\nspan.*\na +2 +0$/m);
  for (const args of [
    ["hist", "timeless", "a"],
    ["hist", "timeless", "a_begin", "a_end"],
  ])
    expect((await cli(place, args)).stderr).toBe("buntrace: timeless: the trace has no times\n");

  cpSync(join(place.dir, "before"), join(place.dir, "cut"), { recursive: true });
  const file = join(place.dir, "cut/thread-100");
  truncateSync(file, Bun.file(file).size - 5);
  const cut = await cli(place, ["report", "cut"]);
  expect(cut.stderr).toContain("warning: ");
  expect([cut.status, cut.stdout.split("\n")[0]]).toEqual([0, expect.stringMatching(/^cut: 5\d events in /)]);

  mkdirSync(join(place.dir, "broken"));
  cpSync(join(place.dir, "before/metadata"), join(place.dir, "broken/metadata"));
  writeFileSync(join(place.dir, "broken/stream"), "this is no packet, and long enough to be looked at");
  const broken = await cli(place, ["report", "broken"]);
  expect(broken.stderr).toMatch(/^warning: .*stream/);
  expect(broken.stdout).toStartWith("broken: 0 events\n");
});

test("in a directory whose bunfig.toml names the preload, the command leaves the recording as it is", async () => {
  await using own = new Place();
  writeFileSync(join(own.dir, "app.ts"), "");
  expect((await cli(own, ["record", "app.ts"])).stderr).toStartWith("buntrace: 2 events");
  const preload = join(import.meta.dirname, "../../src/preload.ts");
  writeFileSync(join(own.dir, "bunfig.toml"), `preload = [${JSON.stringify(preload)}]`);
  for (let time = 0; time < 2; time += 1)
    expect((await cli(own, ["report"])).stdout).toStartWith("buntrace.data: 2 events");
  expect(await Array.fromAsync(new Bun.Glob("*.old").scan({ cwd: own.dir, onlyFiles: false }))).toEqual([]);
});
