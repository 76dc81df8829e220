/** Texts of a trace in the page: shown as they are, and never taken for markup. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { readTrace, type TraceEvent } from "../support/babeltrace.ts";
import { Browser } from "../support/browser.ts";
import { Place } from "../support/place.ts";
import { run } from "../support/run.ts";
import { Page } from "./page.ts";

setDefaultTimeout(120_000);

let place: Place;
let browser: Browser;
let page: Page;
let events: readonly TraceEvent[];

beforeAll(async () => {
  place = new Place();
  const { status, stderr } = await run(place, join(import.meta.dirname, "programs/texts.ts"));
  expect([status, stderr]).toEqual([0, ""]);
  events = await readTrace(place.output);
  browser = await Browser.start();
  page = await Page.of(place, browser);
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

test("the document is its own markup and nothing of the trace", async () => {
  const markup = readFileSync(join(place.dir, "page.html"), "utf8");
  expect(markup.match(/<script/g)).toHaveLength(2);
  expect(markup).not.toContain("taken");
  expect(markup).not.toContain("onerror");
  expect(await browser.evaluate<number>("document.scripts.length + document.images.length")).toBe(1);
});

test("each text and each value is shown as it was emitted, and none is run", async () => {
  await page.press("#tab-events");
  const rows = await page.rows();
  expect(rows).toHaveLength(events.length);
  const all = events.filter(({ name }) => name === "test:all");
  expect(all).toHaveLength(6);
  for (const [index, event] of all.entries()) {
    expect(await page.search(`big=${2n ** 64n - 1n - BigInt(index)}`)).toBe("1 of 1");
    const { fields } = await page.details();
    const { text = "", ratio, ...others } = fields["Fields"] ?? {};
    const emitted = String(event.fields["text"]);
    if (emitted.length > 4096) expect(text).toBe(`${"x".repeat(4056)} … (1944 more)`);
    else expect(text).toBe(emitted === "" ? "(empty)" : emitted);
    expect(Number(ratio)).toBe(index / 7);
    expect(others).toEqual({
      big: String(2n ** 64n - 1n - BigInt(index)),
      negative: "-5",
      flag: String(index % 2 === 0),
      method: index % 2 === 0 ? "GET" : "</script>",
      numbers: `[${index},-1]`,
    });
  }
  for (const [, thread] of rows) expect(thread).toStartWith("</script><b> ");
  await page.press("#last-moment");
  await page.press("#tab-flame");
  await page.press("#tab-latency");
  for (const query of [
    "taken",
    "path=</script><script>globalThis.taken = 1</script>",
    "18446744073709551615",
  ])
    expect(await page.search(query)).toMatch(/^1 of [1-9]/);
  expect(await browser.evaluate<string>("typeof globalThis.taken")).toBe("undefined");
});

test("nothing is asked of the network, and nothing complained of", () => {
  expect(browser.requests).toEqual([`file://${join(place.dir, "page.html")}`]);
  expect(browser.complaints).toEqual([]);
});

test("what the page's own program may not do: load, run or send anything", async () => {
  const refused = (code: string): Promise<string> =>
    browser.evaluate(
      `(async () => { try { ${code}; return "done" } catch (error) { return error.name } })()`,
    );
  expect(await refused("document.body.innerHTML = '<b>x</b>'")).toBe("TypeError");
  let asked = 0;
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => {
      asked += 1;
      return new Response("", { headers: { "Access-Control-Allow-Origin": "*" } });
    },
  });
  expect(await refused(`await fetch('http://127.0.0.1:${server.port}/')`)).toBe("TypeError");
  expect(await refused("await import('data:text/javascript,1')")).toBe("TypeError");
  const image = `new Promise((done, fail) => Object.assign(new Image(), { onload: done, onerror: () => fail(new TypeError()), src: "http://127.0.0.1:${server.port}/" }))`;
  expect(await refused(`await ${image}`)).toBe("TypeError");
  expect(asked).toBe(0);
  expect(browser.complaints.length).toBeGreaterThan(0);
});
