/**
 * Traces that LTTng-UST records here and now, in the page: spans by thread where events
 * say theirs, single events by processor where they do not.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { Browser } from "../support/browser.ts";
import { cli } from "../support/cli.ts";
import { Lttng } from "../support/lttng.ts";
import { Place } from "../support/place.ts";
import { Page } from "./page.ts";

setDefaultTimeout(120_000);

const COUNT = 200;
const CHANNEL = ["--subbuf-size=64k", "--num-subbuf=16"];

const lttng = new Lttng();
let program = "";
let browser: Browser;

beforeAll(async () => {
  await lttng.start();
  program = await lttng.compile(join(import.meta.dir, "../spans/programs/lttng/app.c"), "app");
  browser = await Browser.start();
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await lttng[Symbol.asyncDispose]();
});

/** Records with these contexts, and shows the page. */
async function show(place: Place, name: string, contexts: readonly string[]): Promise<Page> {
  const directory = await lttng.record({ name, channel: CHANNEL, events: "app:*", contexts }, () =>
    lttng.run(program, String(COUNT)),
  );
  const file = join(place.dir, "page.html");
  const { status, stderr } = await cli(place, ["open", directory, "--export", file]);
  expect([status, stderr]).toEqual([0, expect.stringMatching(/^buntrace: [\d,]+ events, a page of/)]);
  const page = new Page(browser);
  await page.show(`file://${file}`);
  return page;
}

test("with the context vtid: threads with their spans", async () => {
  await using place = new Place();
  const page = await show(place, "threads", ["vtid", "procname"]);
  expect(await page.text("#facts")).toContain("2 threads");
  const names = await page.texts("#names tbody th");
  const counts = await page.texts("#names tbody td:nth-child(2)");
  expect(names.map((name, at) => `${name} ${counts[at]}`).sort()).toEqual(
    [`app:job ${2 * Math.ceil(COUNT / 3)}`, `app:read ${2 * COUNT}`, `app:work ${2 * COUNT}`].sort(),
  );
  expect(await page.text("#last-moment")).toBe("Last moment2 running");
  await page.search("app:read_entry");
  const { name, facts, fields } = await page.details();
  expect([name, fields["Fields at its begin"]?.["number"]]).toEqual(["app:read", "0"]);
  expect(facts["thread"]).toMatch(/^app \d+$/);
  expect(browser.complaints).toEqual([]);
});

test("without: events by processor, and what was not paired", async () => {
  await using place = new Place();
  const page = await show(place, "processors", []);
  // The table of events is what there is to look at.
  await page.keys("0");
  const { stdout } = await cli(place, ["print", join(lttng.dir, "processors")]);
  const lines = stdout.trimEnd().split("\n");
  expect(await page.listed()).toBe(lines.length);
  expect(await page.text("#events-body .thread")).toMatch(/^cpu \d$/);
  expect((await page.texts("#notes-list li"))[0]).toMatch(/begins and ends of spans whose other end is not/);
  expect(await page.text("#names")).toBe("There are no spans in this trace.");
  expect(browser.complaints).toEqual([]);
});
