/** The example server: what it answers, traced and untraced, and what the trace has of it. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { load } from "../../examples/load.ts";
import { spansOf } from "../instrument/both.ts";
import { readTrace } from "../support/babeltrace.ts";
import { Place } from "../support/place.ts";
import { start } from "../support/run.ts";

setDefaultTimeout(120_000);

const SERVER = join(import.meta.dirname, "../../examples/server.ts");

/** How the server ended. */
interface End {
  readonly stderr: string;
  readonly status: number | null;
}

/** Runs the server while `use` asks it; then it is told to end. */
async function serving(place: Place, traced: boolean, use: (url: string) => Promise<void>): Promise<End> {
  const server = start(place, SERVER, { traced, session: { enable: [] }, env: { PORT: "0" } });
  const stdout = server.stdout.getReader();
  const line = new TextDecoder().decode((await stdout.read()).value);
  const [url, pid] = line.trim().split(" ");
  expect(Number(pid)).toBe(server.pid);
  await use(url ?? "");
  server.kill("SIGTERM");
  return { stderr: await server.stderr.text(), status: await server.exited };
}

/** A fixed walk through all routes. */
async function walk(url: string): Promise<string[]> {
  const lines: string[] = [];
  const ask = async (path: string, init?: RequestInit): Promise<void> => {
    const response = await fetch(new URL(path, url), init);
    lines.push(`${init?.method ?? "GET"} ${path} ${response.status} ${await response.text()}`);
  };
  const order = (body: string): Promise<void> => ask("/orders", { method: "POST", body });
  await ask("/");
  await ask("/products");
  await ask("/products/3");
  await ask("/products/99");
  await order('{"customer":"Ada","lines":[{"product":1,"count":2},{"product":3,"count":1}]}');
  await order('{"customer":"Bob","lines":[{"product":1,"count":1000}]}');
  await order('{"customer":"","lines":[]}');
  await order("no JSON");
  await ask("/orders/1?currency=gbp");
  await ask("/orders/1?currency=none");
  await ask("/orders/7");
  await ask("/nowhere");
  return lines;
}

test("answers alike, traced and untraced", async () => {
  await using place = new Place();
  const answers: string[][] = [];
  const ends = [];
  for (const traced of [false, true])
    ends.push(await serving(place, traced, async (url) => void answers.push(await walk(url))));
  expect(answers[1]).toEqual(answers[0] ?? []);
  expect(ends).toEqual([
    { stderr: "", status: 0 },
    { stderr: "", status: 0 },
  ]);
  expect(answers[0]?.map((line) => line.split(" ", 3).join(" "))).toEqual([
    "GET / 200",
    "GET /products 200",
    "GET /products/3 200",
    "GET /products/99 404",
    "POST /orders 201",
    "POST /orders 409",
    "POST /orders 400",
    "POST /orders 400",
    "GET /orders/1?currency=gbp 200",
    "GET /orders/1?currency=none 400",
    "GET /orders/7 404",
    "GET /nowhere 404",
  ]);
  await place.recorded();
  const events = await readTrace(place.output);
  const placed = spansOf(events, "shop:place_order");
  expect(placed.map(({ begin, end }) => [begin["customer"], end["failed"]])).toEqual([
    ["Ada", "false"],
    ["Bob", "true"],
  ]);
  expect(events.find(({ name }) => name === "shop:out_of_stock")?.fields).toEqual({
    product: 1,
    wanted: 1000,
    left: 98,
  });
});

test("under load every request is in the trace, with its queries", async () => {
  await using place = new Place();
  await serving(place, true, async (url) => {
    const result = await load(url, { requests: 500, seconds: 60, concurrency: 8 });
    expect(result.unanswered).toBe(0);
    expect(result.answered).toHaveLength(500);
  });
  await place.recorded();
  const events = await readTrace(place.output);
  const received = events
    .filter(({ name }) => name === "shop:request_received")
    .map(({ fields }) => Number(fields["request"]));
  expect(received.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
  const requests = spansOf(events, "http_server:request");
  const ids = new Set(requests.map(({ id }) => id));
  for (const { parent } of spansOf(events, "shop:place_order")) expect(ids.has(parent)).toBe(true);
  const counts = events.filter(({ name }) => name === "shop:requests_in_progress");
  expect(counts).toHaveLength(1000);
  expect(counts.at(-1)?.fields["value"]).toBe(0);
});

test("load refuses what is not of this machine", async () => {
  expect(load("http://example.com/")).rejects.toThrow("not on this machine");
});
