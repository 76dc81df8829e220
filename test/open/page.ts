/**
 * What a user sees of the page of `buntrace open`, read from a browser that shows it.
 * Runs in the test process.
 */
import { join } from "node:path";

import { Browser } from "../support/browser.ts";
import { cli } from "../support/cli.ts";
import type { Place } from "../support/place.ts";

/** Height of the timeline's ruler and of a row of spans, CSS pixels. */
const RULER = 28;

/** A page in a browser. */
export class Page {
  readonly browser: Browser;
  constructor(browser: Browser) {
    this.browser = browser;
  }

  /** Exports a trace and shows it. @throws Error when the command says anything unexpected */
  static async of(place: Place, browser: Browser, args: readonly string[] = []): Promise<Page> {
    const file = join(place.dir, "page.html");
    const { status, stderr } = await cli(place, ["open", place.output, "--export", file, ...args]);
    if (status !== 0 || !stderr.startsWith("buntrace: ")) throw new Error(`open: ${status} ${stderr}`);
    const page = new Page(browser);
    await page.show(`file://${file}`);
    return page;
  }

  async show(url: string): Promise<void> {
    await this.browser.load(url);
    await this.browser.until("document.body.classList.contains('ready')");
    await this.browser.drawn();
  }

  /** The text of the first element of a selector. */
  async text(selector: string): Promise<string> {
    return this.browser.evaluate(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? ""`);
  }

  /** The texts of all elements of a selector. */
  async texts(selector: string): Promise<string[]> {
    return this.browser.evaluate(
      `[...document.querySelectorAll(${JSON.stringify(selector)})].map((one) => one.textContent)`,
    );
  }

  /** Presses a button, by a selector. */
  async press(selector: string): Promise<void> {
    await this.browser.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
    await this.browser.drawn();
  }

  async keys(...keys: string[]): Promise<void> {
    for (const key of keys) await this.browser.key(key);
    await this.browser.drawn();
  }

  /** Searches, and goes to what is found first. @returns the field's answer: `1 of 7` */
  async search(query: string): Promise<string> {
    await this.browser.evaluate("document.getElementById('search').select()");
    if (query === "") await this.browser.key("Escape");
    else {
      await this.browser.type(query);
      await this.browser.key("Enter");
      await this.browser.evaluate("document.activeElement.blur()");
    }
    await this.browser.drawn();
    return this.text("#found");
  }

  /** Heading, definitions, fields at the begin, fields at the end, and what is inside, as the panel shows them. */
  async details(): Promise<{
    readonly name: string;
    readonly facts: Record<string, string>;
    readonly fields: Record<string, Record<string, string>>;
    readonly inside: string[];
  }> {
    return this.browser.evaluate(`(() => {
      const panel = document.getElementById("details");
      const pairs = (list) => Object.fromEntries([...(list?.querySelectorAll("dt") ?? [])].map((dt) => [dt.textContent, dt.nextSibling.textContent]));
      const ties = (section) => Object.fromEntries((section.querySelector(".ties")?.textContent ?? "").split(", ").filter((one) => one !== "").map((one) => one.split(" = ")));
      return {
        name: panel.querySelector("h2")?.textContent ?? "",
        facts: pairs(panel.querySelector("dl")),
        fields: Object.fromEntries([...panel.querySelectorAll("section[data-fields]")].map((section) => [section.dataset.fields, { ...ties(section), ...pairs(section.querySelector("dl.fields")) }])),
        inside: [...panel.querySelectorAll("[aria-label='Spans inside'] b")].map((one) => one.textContent),
      };
    })()`);
  }

  /** How many events the table lists. */
  async listed(): Promise<number> {
    return Number((await this.text("#events-count")).replace(/[^\d]/g, ""));
  }

  /** Where an element is. */
  async place(id: string): Promise<{ x: number; y: number; width: number; height: number }> {
    return this.browser.evaluate(
      `(({ x, y, width, height }) => ({ x, y, width, height }))(document.getElementById("${id}").getBoundingClientRect())`,
    );
  }

  /** Clicks down the timeline at one time; returns the spans met, `name id`, from top to bottom. @param share of the plot's width */
  async column(share: number): Promise<string[]> {
    const { x, y, width, height } = await this.place("scroller");
    const gutter = width < 640 ? 104 : 196;
    const met: string[] = [];
    for (let row = RULER + 4; row < height; row += 9) {
      await this.browser.click(x + gutter + share * (width - gutter), y + row);
      const { name, fields } = await this.details();
      const id = fields["Fields at its begin"]?.["span_id"];
      if (id !== undefined && met.at(-1) !== `${name} ${id}`) met.push(`${name} ${id}`);
      // The panel makes the timeline narrower; without it, it is as wide as before.
      await this.browser.key("Escape");
      await this.browser.drawn();
    }
    return met;
  }

  /** All rows of the table of events: time, thread, name, values. */
  async rows(): Promise<string[][]> {
    // Many rows at a time.
    await this.browser.resize(1280, 4000);
    await this.browser.drawn();
    const rows = await this.browser.evaluate<string[][]>(`(async () => {
      const scroller = document.getElementById("events");
      const rows = new Map();
      for (let top = 0; ; top += scroller.clientHeight) {
        scroller.scrollTop = top;
        scroller.dispatchEvent(new Event("scroll"));
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        for (const row of scroller.querySelectorAll(".event")) rows.set(Number(row.dataset.event), [...row.children].map((cell) => cell.textContent));
        if (top >= scroller.scrollHeight - scroller.clientHeight) break;
      }
      return [...rows].sort(([one], [other]) => one - other).map(([, cells]) => cells);
    })()`);
    await this.browser.resize(1280, 800);
    await this.browser.drawn();
    return rows;
  }
}
