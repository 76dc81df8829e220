/**
 * What the page says of traces made by hand, read in Chromium: times in the browser's zone, what a search finds, order,
 * processes, what was lost and what may have ended then.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { HEAD, packet, streamBlock, UUID, writeTrace } from "../ctf/hand-made.ts";
import { writeForest } from "../spans/forest.ts";
import type { Told } from "../spans/oracle.ts";
import { Browser } from "../support/browser.ts";
import { Place } from "../support/place.ts";
import { Random } from "../support/random.ts";
import { Page } from "./page.ts";

setDefaultTimeout(120_000);

let browser: Browser;
beforeAll(async () => {
  browser = await Browser.start();
});
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
});

/** Packets of two events each. */
class Least extends Random {
  override below(): number {
    return 1;
  }
}

const of = (kind: "begin" | "end", name: string, time: number, id: number, own = id): Told => {
  return { stream: 0, kind, name, time, id, own, failed: false };
};

/** Microseconds after the first event, as the page shows a moment. */
const after = (us: number): string => `(+0.000 ${String(us).padStart(3, "0")} 000 s)`;

test("times are those of the browser's zone, or UTC where that was asked for", async () => {
  await using place = new Place();
  writeForest(place.output, new Random(1), {
    kept: [of("begin", "sql:query", 1_000_000, 1), of("end", "sql:query", 2_000_000, 1)],
    discarded: [],
  });
  await browser.send("Emulation.setTimezoneOverride", { timezoneId: "Pacific/Auckland" });
  for (const [args, date, time] of [
    [[], "2023-11-15", "11:13:20"],
    [["--utc"], "2023-11-14", "22:13:20"],
  ] as const) {
    const page = await Page.of(place, browser, args);
    expect(await page.text("#facts")).toStartWith(`${date} ${time}.001${args.length > 0 ? " UTC" : ""} · `);
    await page.press("#tab-events");
    expect((await page.rows()).map(([shown]) => shown)).toEqual([`${time}.001000005`, `${time}.002000005`]);
    await page.search("span_id=1");
    const { facts } = await page.details();
    expect(facts["start"]).toStartWith(`${time}.001000005 `);
    expect(facts["end"]).toStartWith(`${time}.002000005 `);
  }
  await browser.send("Emulation.setTimezoneOverride", { timezoneId: "" });
  expect(browser.complaints).toEqual([]);
});

test("a search for a field wants the whole value, any other a part; names are listed by their sums", async () => {
  await using place = new Place();
  const owns = [1, 11, 111, 21, 1];
  const kept = owns.flatMap((own, at) => [
    of("begin", at === 3 ? "fs:read" : "sql:query", at * 1000, at + 1, own),
    of("end", at === 3 ? "fs:read" : "sql:query", at * 1000 + (at === 3 ? 900 : 100), at + 1, 7),
  ]);
  writeForest(place.output, new Random(1), { kept, discarded: [] });
  const page = await Page.of(place, browser);
  for (const [query, found] of [
    ["own=1", "1 of 2"],
    ["own=11", "1 of 1"],
    ["own = 111", "1 of 1"],
    ["own=2", "0 found"],
    ["text=sql", "0 found"],
    ["text=sql:query", "1 of 4"],
    ["failed=false", "1 of 5"],
    ["nosuch=1", "0 found"],
    ["fs:", "1 of 2"],
    ["SQL:QUERY_b", "1 of 4"],
    ["21", "1 of 1"],
  ])
    expect([query, await page.search(query ?? "")]).toEqual([query, found]);
  await page.search("");
  // 900 ns of one, 400 of the other.
  expect(await page.texts("#names tbody th")).toEqual(["fs:read", "sql:query"]);
  expect(browser.complaints).toEqual([]);
});

test("where events are lost: what may have ended then does not run, what began later does", async () => {
  await using place = new Place();
  const kept = [
    of("begin", "http:request", 0, 1),
    of("begin", "sql:query", 10_000, 2),
    { stream: 0, kind: "other", name: "app:note", time: 50_000 } as const,
    of("begin", "fs:read", 60_000, 3),
    of("begin", "cache:lookup", 70_000, 4),
    of("end", "http:request", 90_000, 1),
  ];
  // In the second of three packets.
  writeForest(place.output, new Least(1), { kept, discarded: [of("end", "sql:query", 20_000, 2)] });
  const page = await Page.of(place, browser);
  expect(await page.text("#lost")).toBe("1 event lost");
  expect(await page.text("#last-moment")).toBe("Last moment1 running");
  expect(await page.texts("#names tbody tr")).toHaveLength(4);
  const running = await page.texts("#names tbody td:nth-child(4)");
  const names = await page.texts("#names tbody th");
  expect(names.filter((_name, at) => running[at] === "1")).toEqual(["cache:lookup"]);
  await page.press("#last-moment");
  expect(await page.text("#details")).toContain("Perhaps running: 2 spans");
  expect(await page.texts("#running b")).toEqual(["cache:lookup"]);
  expect(await page.texts("[aria-label='Perhaps running at the end'] b")).toEqual(["fs:read", "sql:query"]);
  expect(await page.text("#recording-end")).toEndWith(`${after(90)}.`);
  // They are drawn no further than it is known that they run.
  for (const [id, text, last] of [
    [2, "its end may be among lost events", 10_000],
    [3, "its end may be among lost events", 60_000],
    [4, "still running when the recording ended", 90_000],
  ] as const) {
    await page.search(`span_id=${id}`);
    expect([id, await page.text("#details .badges")]).toEqual([id, text]);
    await page.keys("f");
    const { to = "" } = await browser.evaluate<Record<string, string>>(
      "({ ...document.getElementById('timeline').dataset })",
    );
    expect([id, Number(to) >= last]).toEqual([id, true]);
    if (last < 90_000) expect([id, Number(to) < 90_000]).toEqual([id, true]);
  }
  expect(browser.complaints).toEqual([]);
});

test("spans that failed say so; so do their begins and ends", async () => {
  await using place = new Place();
  const kept = [1, 2].flatMap((id): Told[] => [
    of("begin", "sql:query", id * 1000, id),
    { ...of("end", "sql:query", id * 1000 + 500, id), failed: id === 2 },
  ]);
  writeForest(place.output, new Random(1), { kept, discarded: [] });
  const page = await Page.of(place, browser);
  for (const [id, badge] of [
    [1, ""],
    [2, "failed"],
  ] as const) {
    await page.search(`span_id=${id}`);
    expect([id, await page.text("#details .badges")]).toEqual([id, badge]);
    expect((await page.details()).fields["Fields at its end"]?.["failed"]).toBe(String(id === 2));
  }
});

test("ends of what began before the time asked for are left out, as in the other commands", async () => {
  await using place = new Place();
  const kept = [
    of("begin", "sql:query", 0, 1),
    of("begin", "fs:read", 2000, 2),
    of("end", "sql:query", 3000, 1),
  ];
  // Each packet of two events: the begin of the first is not read at all.
  const before: Told = { stream: 0, kind: "other", name: "app:note", time: 10 };
  writeForest(place.output, new Least(1), { kept: [kept[0]!, before, ...kept.slice(1)], discarded: [] });
  const page = await Page.of(place, browser, ["--since", "+1us"]);
  expect(await page.text("#facts")).toContain(" · 1 event · ");
  expect(await page.texts("#names tbody th")).toEqual(["fs:read"]);
  expect(await page.texts("#notes-list li")).toHaveLength(1);
});

test("integers, however great, however far from the one before", async () => {
  await using place = new Place();
  const values = [
    0n,
    2n ** 51n,
    -(2n ** 51n),
    2n ** 51n + 1n,
    -(2n ** 51n) - 1n,
    2n ** 53n - 1n,
    1n - 2n ** 53n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    5n,
  ];
  writeTrace(place.output, {
    metadata: `${HEAD}typealias integer { size = 64; align = 8; signed = true; } := i64;
      ${streamBlock()} event { name = "a:b"; id = 0; stream_id = 0; fields := struct { i64 n; }; };`,
    one: packet(
      values.map((value, at) => ({
        time: BigInt(at),
        body: (bits) => bits.integer(BigInt.asUintN(64, value), 64, true),
      })),
    ),
  });
  const page = await Page.of(place, browser);
  await page.press("#tab-events");
  expect((await page.rows()).map((row) => row.at(-1))).toEqual(values.map((value) => `n = ${value}`));
  for (const value of values) expect([value, await page.search(`n=${value}`)]).toEqual([value, "1 of 1"]);
});

test("losses before the first packet; each thread below its own process", async () => {
  await using place = new Place();
  const trace = (name: string, pid: number, discarded: bigint): void => {
    writeTrace(join(place.output, name), {
      // Without what makes the two one trace.
      metadata: `${HEAD.replace(`uuid = "${UUID}";`, "")}env { tracer_name = "buntrace"; program = "${name}"; pid = ${pid}; };
        ${streamBlock().replace("cpu_id", "tid")} event { name = "a:b"; id = 0; stream_id = 0; };`,
      one: packet([{ time: BigInt(pid) }], { cpu: pid + 1, sequence: discarded === 0n ? 0n : 5n, discarded }),
    });
  };
  trace("first", 100, 0n);
  trace("second", 200, 9n);
  const page = await Page.of(place, browser);
  expect(await page.text("#lost")).toBe("events lost before the first packet");
  await browser.evaluate(`(() => {
    const { prototype } = CanvasRenderingContext2D;
    const { fillText } = prototype;
    globalThis.texts = [];
    prototype.fillText = function (text, x, y) { texts.push([y, text]); fillText.call(this, text, x, y); };
  })()`);
  await page.keys("s");
  const drawn = await browser.evaluate<[number, string][]>("globalThis.texts");
  const rows = drawn
    .filter(([, text]) => /^(first|second) \(|^(101|201)$/.test(text))
    .sort(([a], [b]) => a - b);
  expect([...new Set(rows.map(([, text]) => text))]).toEqual(["first (100)", "101", "second (200)", "201"]);
  expect(browser.complaints).toEqual([]);
});
