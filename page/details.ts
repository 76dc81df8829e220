/** The panel at the side: all of the selected span or event, or the last moment of the trace. */
import { countText, durationText, many } from "../src/report/number-text.ts";
import { byId, html } from "./dom.ts";
import type { Field, Model } from "./model.ts";
import { offset, wallClock } from "./text.ts";
import type { Timeline } from "./timeline.ts";
import type { Selection, View } from "./view.ts";

/** Children and running spans that are listed. */
const MAX_LISTED = 100;

/** Events listed as the last. */
const LAST_EVENTS = 40;

/** Fields that only tie events together. */
const TIES: ReadonlySet<string> = new Set(["span_id", "parent_id", "failed"]);

/** The panel. */
export class Details {
  readonly #model: Model;
  readonly #view: View;
  readonly #timeline: Timeline;
  readonly #panel = byId("details", HTMLElement);

  constructor(model: Model, view: View, timeline: Timeline) {
    this.#model = model;
    this.#view = view;
    this.#timeline = timeline;
    view.onChange((change) => {
      if (change === "selection") this.#showSelection();
    });
  }

  #show(...content: (Node | undefined)[]): void {
    this.#panel.replaceChildren(...content.filter((node) => node !== undefined));
    this.#panel.scrollTop = 0;
    document.body.classList.add("with-details");
  }

  /** Empties the panel. */
  close(): void {
    this.#panel.replaceChildren();
    document.body.classList.remove("with-details");
  }

  /** Goes to something: shows it in the timeline and here. */
  go(selection: Selection): void {
    this.#view.reveal(selection);
    this.#timeline.scrollToSelection();
  }

  #showSelection(): void {
    const { selection } = this.#view;
    if (selection === undefined) this.close();
    else if (selection.kind === "span") this.#showSpan(selection.span);
    else this.#showEvent(selection.event);
  }

  #showSpan(span: number): void {
    const model = this.#model;
    const start = model.spanStart[span] ?? 0;
    const stop = model.spanStop[span] ?? 0;
    const ending = model.ending(span);
    const begin = model.spanBegin[span] ?? 0;
    const end = model.spanEnd[span] ?? -1;
    const parent = model.spanParent[span] ?? -1;
    const exact =
      stop - start < 1000
        ? durationText(stop - start)
        : `${durationText(stop - start)} = ${countText(stop - start)} ns`;
    const length = {
      ended: exact,
      failed: exact,
      running: `${exact} until the recording ended`,
      uncertain: "unknown: events of this thread were lost after it began",
    }[ending];
    this.#show(
      this.#heading(model.nameOfSpan(span), "span"),
      badges(ending),
      definitions([
        ["duration", length],
        ["start", this.#moment(start)],
        ["end", ending === "ended" || ending === "failed" ? this.#moment(stop) : "not in the trace"],
        ["thread", model.header.tracks[model.spanTrack(span)]?.name ?? ""],
      ]),
      html(
        "p",
        { class: "actions" },
        html("button", { on: { click: () => this.#view.zoomToSelection() } }, "Zoom to it"),
        parent < 0 ? undefined : this.#goButton({ kind: "span", span: parent }, "Go to its parent"),
      ),
      this.#fieldsOf("Fields at its begin", begin),
      ...(end < 0 ? [] : [this.#fieldsOf("Fields at its end", end)]),
      this.#family(span, parent),
    );
  }

  #fieldsOf(title: string, event: number): Node {
    const fields = this.#model.fields(event);
    const own = fields.filter(({ name }) => !TIES.has(name));
    const ties = fields.filter(({ name }) => TIES.has(name));
    return html(
      "section",
      { "data-fields": title },
      html("h3", {}, title),
      own.length === 0 ? html("p", { class: "faint" }, "none of its own") : fieldList(own),
      ties.length === 0
        ? undefined
        : html("p", { class: "faint ties" }, ties.map(({ name, text }) => `${name} = ${text}`).join(", ")),
    );
  }

  #family(span: number, parent: number): Node {
    const model = this.#model;
    const children = childrenOf(model, span);
    const listed = children.slice(0, MAX_LISTED);
    return html(
      "section",
      {},
      html("h3", {}, "Nesting"),
      parent < 0
        ? html("p", { class: "faint" }, "no span around it")
        : html(
            "p",
            {},
            "inside ",
            this.#goButton({ kind: "span", span: parent }, model.nameOfSpan(parent), "link"),
          ),
      html(
        "p",
        { class: "faint" },
        `${children.length === 0 ? "no spans" : many(children.length, "span")} inside${model.isReduced ? " of those shown one by one" : ""}`,
      ),
      html(
        "ul",
        { class: "list", "aria-label": "Spans inside" },
        ...listed.map((child) => html("li", {}, this.#spanButton(child))),
      ),
      children.length > listed.length
        ? html("p", { class: "faint" }, `the first ${listed.length} are listed`)
        : undefined,
    );
  }

  #spanButton(span: number): Node {
    const model = this.#model;
    const length = (model.spanStop[span] ?? 0) - (model.spanStart[span] ?? 0);
    const first = model.fields(model.spanBegin[span] ?? 0).filter(({ name }) => !TIES.has(name));
    return html(
      "button",
      { class: `row ${model.ending(span)}`, on: { click: () => this.go({ kind: "span", span }) } },
      html("b", {}, model.nameOfSpan(span)),
      html("span", { class: "number" }, durationText(length)),
      html(
        "span",
        { class: "values" },
        first.map(({ name, text }) => `${name} = ${text.slice(0, 120)}`).join(", "),
      ),
    );
  }

  #goButton(selection: Selection, text: string, style = ""): Node {
    return html("button", { class: style, on: { click: () => this.go(selection) } }, text);
  }

  #showEvent(event: number): void {
    const model = this.#model;
    const type = model.classOf(event);
    const span = model.eventSpan[event] ?? -1;
    this.#show(
      this.#heading(type?.name ?? "", "event"),
      definitions([
        ["time", this.#moment(model.times[event] ?? 0)],
        ["thread", model.header.tracks[model.eventTrack[event] ?? 0]?.name ?? ""],
        ...(type?.level === undefined ? [] : [["level", levelName(type.level)] as const]),
      ]),
      html(
        "p",
        { class: "actions" },
        span < 0 ? undefined : this.#goButton({ kind: "span", span }, "Go to its span"),
        event === 0 ? undefined : this.#goButton({ kind: "event", event: event - 1 }, "Event before"),
        event + 1 >= model.times.length
          ? undefined
          : this.#goButton({ kind: "event", event: event + 1 }, "Event after"),
      ),
      html("section", { "data-fields": "Fields" }, html("h3", {}, "Fields"), fieldList(model.fields(event))),
    );
  }

  /** Shows what ran when the recording ended, and what happened last; moves the timeline there. */
  showLastMoment(): void {
    const model = this.#model;
    const { header, running, times } = model;
    this.#view.select(undefined);
    const first = times[Math.max(0, times.length - LAST_EVENTS * 2)] ?? header.begin;
    const recent = Math.max(header.end - first, 100);
    const starts = running
      .map((span) => model.spanStart[span] ?? 0)
      .filter((start) => header.end - start < recent * 20);
    const from = Math.min(first, ...starts.slice(0, 1000));
    this.#view.show(from - (header.end - from) * 0.05, header.end + (header.end - from) * 0.12);
    const lost = header.tracks.some(({ losses }) => losses.length > 0);
    const last = Array.from(
      { length: Math.min(LAST_EVENTS, times.length) },
      (_none, at) => times.length - 1 - at,
    );
    this.#show(
      this.#heading("The last moment", "end"),
      html(
        "p",
        { class: "faint", id: "recording-end" },
        `The recording ends at ${[this.#moment(header.end), ...header.killed].join(", ")}.`,
      ),
      html(
        "h3",
        {},
        running.length === 0
          ? "Nothing was running"
          : `Running when it ended: ${many(running.length, "span")}`,
      ),
      html(
        "ul",
        { class: "list", id: "running", "aria-label": "Running at the end" },
        ...running.slice(0, MAX_LISTED).map((span) => html("li", {}, this.#spanButton(span))),
      ),
      running.length > MAX_LISTED
        ? html("p", { class: "faint" }, `the last ${MAX_LISTED} begun are listed`)
        : undefined,
      ...this.#perhapsRunning(),
      html("h3", {}, "The last events, latest first"),
      html(
        "ul",
        { class: "list", "aria-label": "The last events" },
        ...last.map((event) => html("li", {}, this.#eventButton(event))),
      ),
      lost
        ? html("p", { class: "faint" }, "Some events of this trace were lost: see the red bands.")
        : undefined,
    );
  }

  /** Spans that may have been running as well, where events were lost. */
  #perhapsRunning(): Node[] {
    const { uncertain } = this.#model.header;
    if (uncertain.length === 0) return [];
    const last = uncertain.slice(-MAX_LISTED).reverse();
    return [
      html("h3", {}, `Perhaps running: ${many(uncertain.length, "span")}`),
      html("p", { class: "faint" }, "Their ends are not in the trace; they may be among the lost events."),
      html(
        "ul",
        { class: "list", "aria-label": "Perhaps running at the end" },
        ...last.map(([span]) => html("li", {}, this.#spanButton(span))),
      ),
    ];
  }

  #eventButton(event: number): Node {
    const model = this.#model;
    const fields = model.fields(event).filter(({ name }) => !TIES.has(name));
    return html(
      "button",
      { class: "row", on: { click: () => this.go({ kind: "event", event }) } },
      html("b", {}, model.classOf(event)?.name ?? ""),
      html("span", { class: "number" }, `−${durationText(model.header.end - (model.times[event] ?? 0))}`),
      html(
        "span",
        { class: "values" },
        fields.map(({ name, text }) => `${name} = ${text.slice(0, 120)}`).join(", "),
      ),
    );
  }

  #heading(text: string, kind: string): Node {
    return html(
      "header",
      {},
      html("span", { class: "kind" }, kind),
      html("h2", {}, text),
      html(
        "button",
        {
          class: "close",
          "aria-label": "Close the details",
          on: { click: () => this.#view.select(undefined) },
        },
        "×",
      ),
    );
  }

  #moment(time: number): string {
    const { base, utc, begin } = this.#model.header;
    return `${wallClock(BigInt(base), time, utc)}  (${offset(time - begin)})`;
  }
}

/** Spans whose parent is this one, in the order of their begins. */
function childrenOf(model: Model, span: number): number[] {
  const children: number[] = [];
  for (let child = span + 1; child < model.spanCount; child += 1) {
    if (model.spanParent[child] === span) children.push(child);
  }
  return children;
}

function badges(ending: string): Node {
  const words: Readonly<Record<string, string>> = {
    failed: "failed",
    running: "still running when the recording ended",
    uncertain: "its end may be among lost events",
  };
  const text = words[ending];
  return html(
    "p",
    { class: "badges" },
    text === undefined ? undefined : html("span", { class: `badge ${ending}` }, text),
  );
}

function definitions(pairs: readonly (readonly [string, string])[]): Node {
  return html("dl", {}, ...pairs.flatMap(([name, text]) => [html("dt", {}, name), html("dd", {}, text)]));
}

/** Fields as a list of names and values. */
function fieldList(fields: readonly Field[]): Node {
  return html(
    "dl",
    { class: "fields" },
    ...fields.flatMap(({ name, text }) => [
      html("dt", {}, name),
      html("dd", {}, text === "" ? "(empty)" : text),
    ]),
  );
}

const LEVELS = ["emergency", "alert", "critical", "error", "warning", "notice", "info"];

function levelName(level: number): string {
  return LEVELS[level] ?? (level === 14 ? "debug" : `${countText(level)} (debug)`);
}
