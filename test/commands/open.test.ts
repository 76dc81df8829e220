/**
 * `buntrace open` on real recordings of random spans, driven in Chromium: what the page
 * shows, beside what babeltrace2 reads in the trace. Needs Debian's chromium.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { expectedSpans, type ExpectedSpan } from "../spans/oracle.ts";
import { readReport, readTrace, type TraceEvent } from "../support/babeltrace.ts";
import { Browser } from "../support/browser.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";
import { Random, seed, SEED } from "../support/random.ts";
import { run } from "../support/run.ts";
import { traceEnd } from "../support/trace-end.ts";
import { type Colour, isAlike, Page } from "../open/page.ts";
import { sumsBy, toldOf } from "./summed.ts";

setDefaultTimeout(120_000);

const FOREST = join(import.meta.dirname, "programs/forest.ts");
const EVENTS = 700;
/** --failed in page/style.css, where it is light. */
const FAILED: Colour = [0xcf, 0x20, 0x38];

/** Nanoseconds, of a text such as `1.234 ms = 1,234,000 ns until the recording ended`. */
function nanoseconds(text: string): number {
  return Number((/([\d,]+) ns/.exec(text)?.[1] ?? "NaN").replaceAll(",", ""));
}

let browser: Browser;
beforeAll(async () => {
  browser = await Browser.start();
});
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
});

describe("a program that was killed", () => {
  let place: Place;
  let page: Page;
  let events: readonly TraceEvent[];
  let spans: ExpectedSpan[];
  let start: bigint;

  beforeAll(async () => {
    place = new Place();
    const { signal, stderr } = await run(place, FOREST, { args: [String(seed()), String(EVENTS), "kill"] });
    expect([signal, stderr]).toEqual(["SIGKILL", ""]);
    events = await readTrace(place.output);
    ({ spans } = expectedSpans(toldOf(events)));
    start = events[0]?.timeNs ?? 0n;
    page = await Page.of(place, browser);
  });
  afterAll(async () => {
    await place[Symbol.asyncDispose]();
  });

  const idOf = (span: ExpectedSpan): string => `${span.name} ${span.id}`;
  const around = (span: ExpectedSpan): ExpectedSpan | undefined =>
    spans.find((one) => one.stream === span.stream && one.id === span.parentId);

  /** Selects a span by searching for it: ids are unique in a thread, and the threads have their turns. */
  async function select(span: ExpectedSpan): Promise<void> {
    await page.search(`span_id=${span.id}`);
    const streams = [...new Set(spans.filter(({ id }) => id === span.id).map(({ stream }) => stream))];
    // Begins and ends in the order of time.
    const found = events.filter(({ fields }) => Number(fields["span_id"]) === span.id);
    const at = found.findIndex(({ tid }) => tid === span.stream);
    for (let step = 0; step < at; step += 1) await page.keys("n");
    expect(streams).toContain(span.stream);
  }

  test("says what there is", async () => {
    expect(await page.text("#facts")).toContain(
      `${events.length.toLocaleString("en-US")} events · 2 threads`,
    );
    expect(await page.text("#lost")).toBe("nothing lost");
    expect(await page.text("#notes-summary")).toBe(
      `all ${events.length.toLocaleString("en-US")} events shown one by one`,
    );
    const running = spans.filter(({ end }) => end === undefined).length;
    expect(await page.text("#last-moment")).toBe(`Last moment${running} running`);
  });

  test("details of spans are what was emitted: times, fields, nesting", async () => {
    const random = new Random(SEED, 7);
    const sample = [
      ...Array.from({ length: 12 }, () => spans[random.below(spans.length)]),
      spans.find(({ end }) => end === undefined),
      spans.find(({ failed }) => failed),
    ].filter((span) => span !== undefined);
    for (const span of sample) {
      await select(span);
      const { name, facts, fields, inside } = await page.details();
      expect(name).toBe(span.name);
      const ids = { span_id: String(span.id), parent_id: String(span.parentId) };
      expect(fields["Fields at its begin"]).toEqual({ ...ids, work: String(span.own) });
      expect(facts["thread"]).toEndWith(String(span.stream));
      expect(facts["start"]).toContain(
        `(+${(span.start / 1e9).toFixed(9).replace(/\.(...)(...)(...)/, ".$1 $2 $3")} s)`,
      );
      if (span.end === undefined) {
        expect(facts["end"]).toBe("not in the trace");
        const last = Number(traceEnd(place.output) - start);
        expect(nanoseconds(facts["duration"] ?? "")).toBe(last - span.start);
        expect(fields["Fields at its end"]).toBeUndefined();
      } else {
        expect(nanoseconds(facts["duration"] ?? "")).toBe(span.end - span.start);
        const { id, failed, endOwn } = span;
        const end = { span_id: String(id), failed: String(failed), result: String(endOwn) };
        expect(fields["Fields at its end"]).toEqual(end);
      }
      // A parent that has ended before is no longer around it.
      const expected = spans.filter((one) => around(one) === span && !(one.start > (span.end ?? Infinity)));
      expect(inside).toEqual(expected.map((one) => one.name).slice(0, 100));
    }
  });

  test("a click meets the span that is there; children are below their parents", async () => {
    const deepest = spans
      .filter(({ end, start: begin }) => end !== undefined && end - begin > 1000)
      .reduce((best, span) => (span.path.length > best.path.length ? span : best));
    await page.search("");
    await select(deepest);
    await page.keys("f");
    await page.search("");
    await page.keys("Escape");
    // Near its begin; the page leaves a tenth of it free before and after.
    const here = deepest.start + ((deepest.end ?? 0) - deepest.start) * (0.15 * 1.2 - 0.1);
    const places = await page.column(0.15);
    const isSpan = (text: string | undefined): boolean => text !== undefined && !text.startsWith("event ");
    const met = [...new Set(places.map(({ met: text }) => text))].filter((text) => text !== undefined);
    expect(met).toContain(idOf(deepest));
    const paper = await page.background("body");
    const colours = new Map<string, Colour>();
    for (const [at, name] of (await page.texts("#names tbody th")).entries())
      colours.set(name, await page.background(`#names tbody tr:nth-child(${at + 1}) .dot`));
    const reach = ((deepest.end ?? 0) - deepest.start) * 0.02 + 20;
    for (const { met: text, pixels } of places) {
      if (text === undefined || !isSpan(text)) continue;
      const span = spans.find((one) => idOf(one) === text && one.stream === deepest.stream);
      if (span === undefined) throw new Error(`no such span: ${text}`);
      expect(span.start).toBeLessThanOrEqual(here + reach);
      expect(span.end ?? Infinity).toBeGreaterThanOrEqual(here - reach);
      const parent = around(span);
      if (parent !== undefined && met.includes(idOf(parent)))
        expect(met.indexOf(idOf(parent))).toBeLessThan(met.indexOf(text));
      // What is met is what is drawn; a span that runs has stripes, one that failed a red edge.
      if (span.start > here - reach || (span.end ?? 0) < here + reach) continue;
      const drawn = [colours.get(span.name) ?? [], ...(span.failed === true ? [FAILED] : [])];
      expect(pixels.some((pixel) => drawn.some((colour) => isAlike(pixel, colour)))).toBe(true);
    }
    // Where nothing is met there is only paper, below the heading of the process.
    const first = places.findIndex(({ met: text }) => isSpan(text));
    for (const { met: text, pixels } of places.slice(first))
      if (text === undefined) expect(pixels.some((pixel) => isAlike(pixel, paper))).toBe(true);
  });

  test("the range: dragging in the overview, the wheel, keys; the table lists what is in it", async () => {
    await page.press("#tab-events");
    await page.keys("0");
    expect(await page.listed()).toBe(events.length);
    const { x, y, width } = await page.place("overview");
    const last = Number(traceEnd(place.output) - start);
    const times = events.map(({ timeNs }) => Number(timeNs - start));
    const within = (from: number, to: number): number =>
      times.filter((time) => time >= from && time < to).length;
    const right = Math.ceil(width) - 2;
    // The second half of the events may be in the last few columns.
    const half = Math.floor(((times[times.length >> 1] ?? 0) / last) * width);
    const left = Math.min(half, right - 40);
    await browser.drag(x + left, y + 20, x + right, y + 20);
    await browser.drawn();
    expect(await page.listed()).toBe(within((left / width) * last, (right / width) * last));

    /** Does something, and looks whether the table is that of the range. @returns the range's length */
    const range = async (change: () => Promise<void>): Promise<number> => {
      await change();
      await browser.drawn();
      const { from = "", to = "" } = await browser.evaluate<Record<string, string>>(
        "({ ...document.getElementById('timeline').dataset })",
      );
      expect(await page.listed()).toBe(within(Number(from), Number(to)));
      return Number(to) - Number(from);
    };
    const plot = await page.place("scroller");
    const dragged = await range(() => Promise.resolve());
    const wheeled = await range(() => browser.wheel(plot.x + plot.width / 2, plot.y + 100, -300, 2));
    expect(wheeled).toBeLessThan(dragged);
    const nearer = await range(() => page.keys("w", "w"));
    expect(nearer).toBeLessThan(wheeled);
    expect(await range(() => page.keys("a", "a", "d", "ArrowLeft"))).toBeCloseTo(nearer, 3);
    expect(await range(() => page.keys("s"))).toBeGreaterThan(nearer);
    const panned = await range(() => browser.drag(plot.x + 500, plot.y + 100, plot.x + 700, plot.y + 100));
    expect(panned).toBeGreaterThan(nearer);
    await page.keys("0");
    expect(await page.listed()).toBe(events.length);
  });

  test("the table has every event, in the order of time, with its fields", async () => {
    await page.press("#tab-events");
    await page.keys("0");
    const rows = await page.rows();
    const shown = rows.map(([time, thread, name, values]) => [time?.slice(-9), thread, name, values]);
    expect(shown).toEqual(
      events.map(({ timeNs, threadName, tid, name, fields }) => [
        String(timeNs % 1_000_000_000n).padStart(9, "0"),
        `${threadName} ${tid}`,
        name,
        Object.entries(fields)
          .map(([field, value]) => `${field} = ${typeof value === "object" ? JSON.stringify(value) : value}`)
          .join(", "),
      ]),
    );
  });

  test("search: by name, by number, by field; one after the other", async () => {
    const count = (wanted: (event: TraceEvent) => boolean): number => events.filter(wanted).length;
    await page.press("#tab-events");
    expect(await page.search("NOTE")).toBe(`1 of ${count(({ name }) => name === "test:note")}`);
    await page.keys("0");
    expect(await page.listed()).toBe(count(({ name }) => name === "test:note"));
    const threes = count(({ fields }) => fields["result"] === 3);
    expect(await page.search("result=3")).toBe(`1 of ${threes}`);
    await page.keys("n", "n");
    expect(await page.text("#found")).toBe(`3 of ${threes}`);
    await page.keys("N");
    expect(await page.text("#found")).toBe(`2 of ${threes}`);
    expect((await page.details()).fields["Fields at its end"]?.["result"]).toBe("3");
    await page.search("nothing is called so");
    expect(await page.text("#found")).toBe("0 found");
    await page.search("");
    await page.keys("0");
    expect(await page.listed()).toBe(events.length);
  });

  test("the flame graph's totals are the sums by path", async () => {
    await page.press("#tab-flame");
    const frames = await browser.evaluate<[string, number, number][]>(
      `[...document.querySelectorAll("#flame .frame")].map(({ dataset }) => [dataset.path, Number(dataset.count), Number(dataset.total)])`,
    );
    const sums = sumsBy(spans, ({ path }) => path.replaceAll(" > ", ";"));
    for (const [path, count, total] of frames.slice(1)) {
      const expected = sums.get(path);
      expect([path, count, total]).toEqual([path, expected?.count ?? 0, expected?.total ?? 0]);
    }
    // What is narrower than a thousandth of it is not drawn.
    const whole = [...sums]
      .filter(([path]) => !path.includes(";"))
      .reduce((sum, [, { total }]) => sum + total, 0);
    const large = [...sums].filter(([, { total }]) => total > whole * 0.01).map(([path]) => path);
    expect(frames.map(([path]) => path)).toEqual(expect.arrayContaining(large));
  });

  test("latencies: the table's counts, the histogram's bins, and a span of each bar", async () => {
    await page.press("#tab-latency");
    const sums = sumsBy(spans, ({ name }) => name);
    for (const [name, { count, failed, running, durations }] of sums) {
      await browser.evaluate(
        `[...document.querySelectorAll("#names tbody tr")].find((row) => row.textContent.includes(${JSON.stringify(name)})).click()`,
      );
      const cells = await page.texts("#names tr[aria-selected=true] td");
      expect(cells.slice(0, 3)).toEqual([count, failed, running].map((some) => some.toLocaleString("en-US")));
      const bars = await browser.evaluate<[number, number][]>(
        `[...document.querySelectorAll("#histogram .bar")].map(({ dataset }) => [Number(dataset.bin), Number(dataset.count)])`,
      );
      const bins = Map.groupBy(durations, (time) => Math.floor(Math.log2(Math.max(1, time)) * 16));
      expect(bars).toEqual([...bins].map(([bin, { length }]) => [bin, length]));
      // In the words and figures of the commands.
      const { stdout } = await cli(place, ["hist", place.output, name], { COLUMNS: "200" });
      expect(`${await page.text("#histogram .title")}`).toBe(
        stdout.slice(0, stdout.indexOf("\n")).replace(`${name}: `, `${name} `),
      );
      const most = Math.max(...bars.map(([, many]) => many)).toLocaleString("en-US");
      expect(await page.text("#histogram text")).toBe(`most in a bar: ${most}`);
      const report = (await cli(place, ["report", place.output])).stdout;
      const line = report.split("\n").find((row) => row.startsWith(`${name} `)) ?? "";
      const [total, , , ...percentiles] = line.trim().split(/ {2,}/).slice(-7);
      expect(cells.slice(3)).toEqual([...percentiles, total ?? ""]);
      const [bin] = bars.at(-1) ?? [0];
      await browser.evaluate(
        `document.querySelector("#histogram .bar[data-bin='${bin}']").dispatchEvent(new MouseEvent("click"))`,
      );
      const { name: shown, facts } = await page.details();
      expect(shown).toBe(name);
      expect(bins.get(bin)).toContain(nanoseconds(facts["duration"] ?? ""));
      await page.keys("Escape");
    }
  });

  test("the last moment: what was running, the last begun first, and the last events", async () => {
    await page.keys("l");
    const expected = spans.filter(({ end }) => end === undefined).sort((a, b) => b.start - a.start);
    expect(await page.texts("#running b")).toEqual(expected.map(({ name }) => name));
    expect(await page.texts("#running .values")).toEqual(expected.map(({ own }) => `work = ${own}`));
    // The trace says what its program died of where the kernel does: test/record/killed-by.test.ts.
    const info: unknown = JSON.parse((await cli(place, ["info", "--json", place.output])).stdout);
    const killed = /"killed_by":"(\w+)"/.exec(JSON.stringify(info))?.[1];
    expect(await page.text("#recording-end")).toEndWith(
      killed === undefined ? "." : `, killed by ${killed}.`,
    );
    expect(await page.text("#facts")).toEndWith(
      killed === undefined ? "2 threads" : ` · killed by ${killed}`,
    );
    const last = await page.texts("[aria-label='The last events'] b");
    expect(last).toEqual(
      events
        .slice(-last.length)
        .reverse()
        .map(({ name }) => name),
    );
    expect(last.length).toBeGreaterThan(20);
    // The end of the trace is to be seen.
    await page.press("#tab-events");
    const rows = await page.rows();
    expect(rows.at(-1)?.[2]).toBe(events.at(-1)?.name);
  });

  test("filters are those of the other commands", async () => {
    const query = spans.filter(({ name }) => name === "test:query");
    const filtered = await Page.of(place, browser, ["-e", "test:query", "-w", "result == 2"]);
    const wanted = query.filter(({ endOwn }) => endOwn === 2);
    expect(await filtered.text("#facts")).toContain(`· ${wanted.length * 2} events`);
    expect(await filtered.texts("#names tbody td:nth-child(2)")).toEqual([String(wanted.length)]);
  });

  test("beyond the limit, events are density, and the page says so; sums are of all", async () => {
    const reduced = await Page.of(place, browser, ["--limit", "400"]);
    const [, shown, all] =
      /^([\d,]+) of ([\d,]+) events shown one by one; the rest as density$/.exec(
        await reduced.text("#notes-summary"),
      ) ?? [];
    expect(all).toBe(events.length.toLocaleString("en-US"));
    expect(Number(shown)).toBeWithin(200, 500);
    expect((await reduced.texts("#notes-list li"))[0]).toStartWith(
      `${shown} of ${all} events are shown one by one`,
    );
    await reduced.press("#tab-events");
    expect(await reduced.listed()).toBe(Number(shown));
    const sums = sumsBy(spans, ({ name }) => name);
    const counts = await reduced.texts("#names tbody td:nth-child(2)");
    expect(counts.map(Number).sort()).toEqual([...sums.values()].map(({ count }) => count).sort());
    const running = spans.filter(({ end }) => end === undefined);
    expect(await reduced.text("#last-moment")).toBe(`Last moment${running.length} running`);
    // What failed is there, one by one.
    const failed = spans.filter((span) => span.failed);
    expect(await reduced.search("failed=true")).toBe(`1 of ${failed.length}`);
  });

  test("nothing was asked of the network, and nothing complained of", () => {
    expect([...new Set(browser.requests)]).toEqual([`file://${join(place.dir, "page.html")}`]);
    expect(browser.complaints).toEqual([]);
  });
});

test("lost events are told, and their times marked", async () => {
  await using place = new Place();
  const session = { output: place.output, mode: "discard", subBufferSize: 4096, subBuffers: 2 } as const;
  const { status } = await run(place, FOREST, {
    args: [String(seed()), "20000", "end"],
    session: { ...session, sessionDir: place.sessionDir, enable: ["test:*"] },
  });
  expect(status).toBe(0);
  const { events, discarded } = await readReport(place.output);
  expect(discarded).toBeGreaterThan(0);
  const page = await Page.of(place, browser);
  // They belong to the two threads, and are no tracks of their own.
  expect(await page.text("#facts")).toContain(`${events.length.toLocaleString("en-US")} events · 2 threads`);
  expect(await page.text("#lost")).toBe(`${discarded.toLocaleString("en-US")} events lost`);
  expect(browser.complaints).toEqual([]);
});

test("lost packets are no lost events, in the head and beside the thread; the ruler", async () => {
  await using place = new Place();
  const only = (begin: bigint, sequence: bigint, discarded: bigint): Uint8Array =>
    packet([{ time: begin }], { begin, end: begin, sequence, discarded });
  writeTrace(place.output, {
    metadata: `${HEAD}${streamBlock()} event { name = "app:note"; id = 0; stream_id = 0; };`,
    one: Buffer.concat([only(1000n, 0n, 0n), only(9000n, 3n, 12n), only(20_000n, 4n, 13n)]),
  });
  const page = await Page.of(place, browser);
  expect(await page.text("#lost")).toBe("13 events lost, 2 packets lost");
  await browser.evaluate(`(() => {
    const { prototype } = CanvasRenderingContext2D;
    const { fillText } = prototype;
    globalThis.texts = [];
    prototype.fillText = function (text, x, y) {
      texts.push([text, x + this.measureText(text).width - this.canvas.clientWidth]);
      fillText.call(this, text, x, y);
    };
  })()`);
  for (const key of "sswwdaadwwdwaaw") await page.keys(key);
  const texts = await browser.evaluate<[string, number][]>("globalThis.texts");
  expect(texts.map(([text]) => text)).toContain("· 13 events lost, 2 packets lost");
  // No time of the ruler is cut at the edge.
  const times = texts.filter(([text]) => /^[\d.,]+ (ns|us)$/.test(text));
  expect(times.length).toBeGreaterThan(20);
  expect(times.filter(([, beyond]) => beyond > 0)).toEqual([]);
  expect(browser.complaints).toEqual([]);
});

describe("serving", () => {
  test("on loopback, to those who know the address; until SIGINT", async () => {
    await using place = new Place();
    await run(place, FOREST, { args: ["1", "50", "end"] });
    const opened = join(place.dir, "opened");
    await Bun.write(join(place.dir, "bin/xdg-open"), `#!/bin/sh\necho "$@" > ${opened}\n`);
    Bun.spawnSync(["chmod", "+x", join(place.dir, "bin/xdg-open")]);
    const command = Bun.spawn(
      [process.execPath, join(import.meta.dirname, "../../src/cli.ts"), "open", place.output],
      {
        env: { ...process.env, PATH: `${join(place.dir, "bin")}:${process.env["PATH"]}` },
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    const { value } = await command.stdout.getReader().read();
    const url = new TextDecoder().decode(value).trim();
    const [, port, token] = /^http:\/\/127\.0\.0\.1:(\d+)\/([0-9a-f]{32})\/$/.exec(url) ?? [];
    expect(token).toBeDefined();

    browser.requests.length = 0;
    await new Page(browser).show(url);
    expect(browser.requests).toEqual([url]);
    expect(browser.complaints).toEqual([]);
    for (let attempt = 0; attempt < 200 && !(await Bun.file(opened).exists()); attempt += 1)
      await Bun.sleep(20);
    expect((await Bun.file(opened).text()).trim()).toBe(url);

    const get = (path: string, init: RequestInit = {}): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}${path}`, init);
    expect((await get("/")).status).toBe(404);
    expect((await get(`/${"0".repeat(32)}/`)).status).toBe(404);
    expect((await get(`/${token}/`, { method: "POST" })).status).toBe(404);
    expect((await get(`/${token}/`, { headers: { Host: `evil.example:${port}` } })).status).toBe(403);
    const listening = await Bun.file("/proc/net/tcp").text();
    const ours = listening
      .split("\n")
      .filter((line) =>
        line.includes(`:${Number(port).toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A`),
      );
    expect(ours).toHaveLength(1);
    expect(ours[0]).toContain("0100007F:");

    command.kill("SIGINT");
    expect(await command.exited).toBe(0);
    expect(await command.stderr.text()).toMatch(/^buntrace: [\d,]+ events, a page of .*; Ctrl\+C ends it\n$/);
  });

  test("errors are one line", async () => {
    await using place = new Place();
    const nothing = await cli(place, ["open", "nowhere", "--no-browser"]);
    expect([nothing.status, nothing.stderr.split("\n").length]).toEqual([1, 2]);
    expect(nothing.stderr).toStartWith("buntrace: ");
    const limit = await cli(place, ["open", "--limit", "none"]);
    expect([limit.status, limit.stderr]).toEqual([2, expect.stringContaining("whole number")]);
    await run(place, FOREST, { args: ["1", "50", "end"] });
    const file = await cli(place, ["open", place.output, "--export", "."]);
    expect([file.status, file.stderr]).toEqual([1, expect.stringMatching(/^buntrace: \.: .*\n$/)]);
  });
});
