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

/** Red, green and blue, 0 to 255. */
export type Colour = readonly number[];

/** Whether two colours are about the same: thin lines lie over some pixels. */
export function isAlike(one: Colour, other: Colour): boolean {
  return one.every((part, at) => Math.abs(part - (other[at] ?? 0)) < 24);
}

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

  /**
   * Clicks down the timeline at one time: what is met at each place, `name id` of a span
   * or `event name`, and the pixels there.
   *
   * @param share of the plot's width
   */
  async column(share: number): Promise<{ met: string | undefined; pixels: Colour[] }[]> {
    const { x, y, width, height } = await this.place("scroller");
    const gutter = width < 640 ? 104 : 196;
    const left = Math.round(gutter + share * (width - gutter));
    const rows = Array.from(
      { length: Math.floor((height - RULER - 8) / 9) },
      (_none, at) => RULER + 4 + at * 9,
    );
    const met: (string | undefined)[] = [];
    for (const row of rows) {
      await this.browser.click(x + left, y + row);
      const { name, fields } = await this.details();
      const id = fields["Fields at its begin"]?.["span_id"];
      met.push(name === "" ? undefined : id === undefined ? `event ${name}` : `${name} ${id}`);
      // The panel makes the timeline narrower, and what is pointed at has an outline.
      await this.browser.point(x + left, y - 30);
      await this.browser.key("Escape");
      await this.browser.drawn();
    }
    // Nine columns of five rows each, in the middle first: a letter covers some. Read at once, as browsers want it.
    const pixels = await this.browser.evaluate<Colour[][]>(`(() => {
      const { data } = document.getElementById("timeline").getContext("2d").getImageData(${left - 4}, 0, 9, ${Math.floor(height)});
      const pixel = (column, row) => [...data.slice((row * 9 + column) * 4, (row * 9 + column) * 4 + 3)];
      return ${JSON.stringify(rows)}.map((row) => [0, -3, 3, -6, 6].flatMap((by) => [4, 0, 1, 2, 3, 5, 6, 7, 8].map((column) => pixel(column, row + by))));
    })()`);
    return met.map((text, at) => ({ met: text, pixels: pixels[at] ?? [] }));
  }

  /** The colour of an element's background, as pixels have it. */
  async background(selector: string): Promise<Colour> {
    return this.browser.evaluate(`(() => {
      const context = new OffscreenCanvas(1, 1).getContext("2d");
      context.fillStyle = getComputedStyle(document.querySelector(${JSON.stringify(selector)})).backgroundColor;
      context.fillRect(0, 0, 1, 1);
      return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    })()`);
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
