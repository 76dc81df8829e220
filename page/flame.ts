/** The flame graph: spans by name under names, as wide as the time they took together; over all threads. */
import { durationText, many, shortDurationText } from "../src/report/number-text.ts";
import { byId, html } from "./dom.ts";
import type { Model } from "./model.ts";
import { setFill } from "./theme.ts";

/** Share of the width below which a node is not drawn. */
const LEAST = 0.001;

/** Height of a row, CSS pixels. */
const ROW = 24;

/** A node of the graph. */
interface Node {
  readonly index: number;
  readonly name: string;
  readonly fill: number;
  readonly count: number;
  readonly total: number;
  /** Its own time, or its children's where those ran side by side. */
  width: number;
  readonly parent: Node | undefined;
  readonly children: Node[];
}

/** The graph in its tab. */
export class Flame {
  readonly #root: Node;
  readonly #place = byId("flame", HTMLElement);
  readonly #info = byId("flame-info", HTMLElement);
  readonly #onChoose: (name: number) => void;

  constructor(model: Model, onChoose: (name: number) => void) {
    this.#root = makeTree(model);
    this.#onChoose = onChoose;
    this.#draw(this.#root);
  }

  #draw(top: Node): void {
    this.#place.replaceChildren();
    const around: Node[] = [];
    for (let node: Node | undefined = top; node !== undefined; node = node.parent) around.unshift(node);
    for (const [row, node] of around.entries()) this.#add(node, row, 0, 1, top);
    const rows = this.#addChildren(top, around.length, 0, 1 / (top.width || 1), top);
    this.#place.style.height = `${rows * ROW}px`;
    this.#say(top);
  }

  #addChildren(node: Node, row: number, left: number, scale: number, top: Node): number {
    let rows = row;
    for (const child of node.children) {
      const width = child.width * scale;
      if (width >= LEAST) {
        this.#add(child, row, left, width, top);
        rows = Math.max(rows, row + 1, this.#addChildren(child, row + 1, left, scale, top));
      }
      left += width;
    }
    return rows;
  }

  #add(node: Node, row: number, left: number, width: number, top: Node): void {
    const button = html(
      "button",
      {
        class: "frame",
        "aria-label": describe(node),
        title: describe(node),
        "data-path": pathOf(node),
        "data-count": node.count,
        "data-total": node.total,
        on: {
          click: () => this.#draw(node === top && node.parent !== undefined ? node.parent : node),
          pointerenter: () => this.#say(node),
          dblclick: () => this.#onChoose(node.fill),
        },
      },
      width > 0.02 ? `${node.name}  ${node.total > 0 ? shortDurationText(node.total) : ""}` : "",
    );
    if (node.fill >= 0) setFill(button, node.fill);
    button.style.left = `${left * 100}%`;
    button.style.width = `${width * 100}%`;
    button.style.top = `${row * ROW}px`;
    this.#place.append(button);
  }

  #say(node: Node): void {
    this.#info.textContent = describe(node);
  }
}

function makeTree({ header }: Model): Node {
  const nodes: Node[] = [];
  for (const [index, { name, parent, count: spans, total }] of header.flame.entries()) {
    const above = index === 0 ? undefined : nodes[parent];
    const text = name === null ? "all spans" : (header.spanNames[name]?.name ?? "");
    const node: Node = {
      index,
      name: text,
      fill: name ?? -1,
      count: spans,
      total,
      width: total,
      parent: above,
      children: [],
    };
    nodes.push(node);
    above?.children.push(node);
  }
  // Children come after their parents: the last first, so that each width is known when it is added.
  for (const node of nodes.toReversed()) {
    node.width = Math.max(
      node.total,
      node.children.reduce((sum, { width }) => sum + width, 0),
    );
    node.children.sort((one, other) => other.width - one.width);
  }
  return (
    nodes[0] ?? {
      index: 0,
      name: "",
      fill: -1,
      count: 0,
      total: 0,
      width: 0,
      parent: undefined,
      children: [],
    }
  );
}

function pathOf(node: Node): string {
  return node.parent === undefined
    ? ""
    : [pathOf(node.parent), node.name].filter((part) => part !== "").join(";");
}

function describe(node: Node): string {
  if (node.parent === undefined) return `all spans: ${durationText(node.width)}`;
  const inside = node.children.reduce((sum, { total }) => sum + total, 0);
  const parts = [`${node.name}: ${many(node.count, "span")}`, durationText(node.total)];
  if (node.count > 1) parts.push(`${durationText(node.total / node.count)} on average`);
  if (inside > node.total) parts.push(`spans inside ran side by side, ${durationText(inside)} together`);
  else if (inside > 0) parts.push(`${durationText(node.total - inside)} of its own`);
  return parts.join(", ");
}
