/** Starts the page: reads the data, makes the parts, ties buttons and keys to them. */
import { DATA_ID } from "../src/open/format.ts";
import { countText, durationText, many } from "../src/report/number-text.ts";
import { Details } from "./details.ts";
import { byId, html } from "./dom.ts";
import { Flame } from "./flame.ts";
import { Latency } from "./latency.ts";
import { Model } from "./model.ts";
import { Overview } from "./overview.ts";
import { search } from "./search.ts";
import { EventTable } from "./table.ts";
import { lostText, wallClock, wallDate } from "./text.ts";
import { Timeline } from "./timeline.ts";
import { type Selection, View } from "./view.ts";

/** Milliseconds without a key until a search begins. */
const SEARCH_DELAY_MS = 140;

/** Share of the range that a key moves, and by which it grows. */
const STEP = 0.18;
const ZOOM = 1.35;

function start(model: Model): void {
  const view = new View(model);
  fillHeader(model);
  const timeline = new Timeline(model, view);
  byId("timeline", HTMLCanvasElement).setAttribute("aria-label", timeline.describe());
  new Overview(model, view);
  const details = new Details(model, view, timeline);
  const go = (selection: Selection): void => details.go(selection);
  const latency = new Latency(model, go);
  new Flame(model, (name) => {
    latency.choose(name);
    byId("tab-latency", HTMLButtonElement).click();
  });
  const table = new EventTable(model, view, go);
  byId("show-all", HTMLButtonElement).addEventListener("click", () => view.showAll());
  byId("last-moment", HTMLButtonElement).addEventListener("click", () => {
    details.showLastMoment();
    byId("scroller", HTMLElement).scrollTop = 0;
  });
  listenToTabs(() => table.redraw());
  const find = listenToSearch(model, view, go);
  listenToKeys(view, details, find);
  if (model.spanCount === 0) byId("tab-events", HTMLButtonElement).click();
  document.body.classList.add("ready");
}

/** Reads the data in the document. @throws Error when it is damaged, or the browser too old */
async function loadModel(): Promise<Model> {
  const element = document.getElementById(DATA_ID);
  const text = element?.textContent ?? "";
  const binary = atob(text);
  const packed = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) packed[at] = binary.charCodeAt(at);
  // The text takes as much memory as all else.
  element?.remove();
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Model(new Uint8Array(await new Response(stream).arrayBuffer()));
}

function fillHeader(model: Model): void {
  const { header, running } = model;
  document.title = `${header.title} · buntrace`;
  byId("title", HTMLElement).textContent = header.title;
  const threads = header.tracks.length;
  const facts = [
    `${wallDate(BigInt(header.base), header.utc)} ${wallClock(BigInt(header.base), header.begin, header.utc).slice(0, 12)}${header.utc ? " UTC" : ""}`,
    durationText(header.end - header.begin),
    many(header.events, "event"),
    many(threads, "thread"),
    ...(header.killed.length > 1 ? [`${many(header.killed.length, "program")} killed`] : header.killed),
  ];
  byId("facts", HTMLElement).textContent = facts.join(" · ");
  const lost = lostText(header.tracks.flatMap(({ losses }) => losses));
  const badge = byId("lost", HTMLElement);
  badge.textContent = lost === "" ? "nothing lost" : lost;
  badge.className = `badge ${lost === "" ? "good" : "lost"}`;
  const button = byId("last-moment", HTMLButtonElement);
  if (running.length > 0)
    button.append(html("span", { class: "badge running" }, `${countText(running.length)} running`));
  const shown =
    header.shown === header.events
      ? `all ${many(header.events, "event")} shown one by one`
      : `${countText(header.shown)} of ${many(header.events, "event")} shown one by one; the rest as density`;
  byId("notes-summary", HTMLElement).textContent = shown;
  byId("notes", HTMLElement).classList.toggle("reduced", header.shown !== header.events);
  byId("notes-list", HTMLElement).replaceChildren(
    ...[
      ...header.notes,
      ...header.processes.flatMap(({ name, facts: more }) => `${name}: ${more.join(", ")}`),
    ].map((text) => html("li", {}, text)),
  );
}

function listenToTabs(onShow: () => void): void {
  const tabs = [...document.querySelectorAll<HTMLButtonElement>("[role=tab]")];
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => {
      for (const one of tabs) {
        one.setAttribute("aria-selected", String(one === tab));
        one.tabIndex = one === tab ? 0 : -1;
        byId(one.getAttribute("aria-controls") ?? "", HTMLElement).hidden = one !== tab;
      }
      onShow();
    });
    tab.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      const next = tabs[(index + step + tabs.length) % tabs.length];
      if (step === 0 || next === undefined) return;
      event.stopPropagation();
      next.click();
      next.focus();
    });
  }
}

/** Ties the search field; returns what steps through what was found. */
function listenToSearch(
  model: Model,
  view: View,
  go: (selection: Selection) => void,
): (step: number) => void {
  const field = byId("search", HTMLInputElement);
  const result = byId("found", HTMLElement);
  let at = -1;
  let timer = 0;
  const run = (): void => {
    const query = field.value.trim();
    at = -1;
    if (query === view.found?.query) return;
    view.setFound(query === "" ? undefined : search(model, query));
    result.textContent =
      view.found === undefined
        ? ""
        : `${countText(view.found.events.length)} found${model.isReduced ? " of those shown" : ""}`;
  };
  const step = (by: number): void => {
    const events = view.found?.events;
    if (events === undefined || events.length === 0) return;
    at = at < 0 && by < 0 ? events.length - 1 : (at + by + events.length) % events.length;
    result.textContent = `${countText(at + 1)} of ${countText(events.length)}`;
    const event = events[at] ?? 0;
    const span = model.eventSpan[event] ?? -1;
    go(span >= 0 ? { kind: "span", span } : { kind: "event", event });
  };
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = window.setTimeout(run, SEARCH_DELAY_MS);
  });
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") {
      clearTimeout(timer);
      run();
      step(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      field.value = "";
      run();
      field.blur();
    }
  });
  byId("found-next", HTMLButtonElement).addEventListener("click", () => step(1));
  byId("found-before", HTMLButtonElement).addEventListener("click", () => step(-1));
  return step;
}

function listenToKeys(view: View, details: Details, find: (step: number) => void): void {
  const middle = (): number => (view.from + view.to) / 2;
  const actions: Readonly<Record<string, () => void>> = {
    w: () => view.zoom(1 / ZOOM, middle()),
    s: () => view.zoom(ZOOM, middle()),
    a: () => view.pan(-STEP),
    d: () => view.pan(STEP),
    "+": () => view.zoom(1 / ZOOM, middle()),
    "-": () => view.zoom(ZOOM, middle()),
    ArrowUp: () => view.zoom(1 / ZOOM, middle()),
    ArrowDown: () => view.zoom(ZOOM, middle()),
    ArrowLeft: () => view.pan(-STEP),
    ArrowRight: () => view.pan(STEP),
    f: () => view.zoomToSelection(),
    "0": () => view.showAll(),
    n: () => find(1),
    N: () => find(-1),
    l: () => details.showLastMoment(),
    "/": () => byId("search", HTMLInputElement).select(),
    Escape: () => {
      byId("keys", HTMLDetailsElement).open = false;
      byId("notes", HTMLDetailsElement).open = false;
      view.select(undefined);
    },
  };
  addEventListener("keydown", (event) => {
    const { target } = event;
    const isScrolled = target instanceof HTMLElement && target.closest(".scrolled, input") !== null;
    if (event.ctrlKey || event.metaKey || event.altKey || (isScrolled && event.key !== "Escape")) return;
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
}

try {
  start(await loadModel());
} catch (error) {
  byId("title", HTMLElement).textContent =
    `This page cannot show its trace: ${error instanceof Error ? error.message : String(error)}`;
  throw error;
}
