/** Provider `http_server`: servers answer as untraced, and each request handled is a span. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { readTrace, type TraceEvent } from "../support/babeltrace.ts";
import { Place } from "../support/place.ts";
import { run } from "../support/run.ts";
import { both, shown, type SpanRead, spansOf } from "./both.ts";

setDefaultTimeout(120_000);

/** Requests as "METHOD path status", with "failed" where they did. */
function requests(events: readonly TraceEvent[]): string[] {
  return spansOf(events, "http_server:request").map(
    ({ begin, end }) =>
      `${String(begin["method"])} ${String(begin["path"])} ${String(end["status"])}${end["failed"] === "true" ? " failed" : ""}`,
  );
}

test("handlers, routes, errors, streams, reload, WebSockets", async () => {
  const { events } = await both("serve.ts", [], { session: { enable: ["http_server:*"] } });
  expect(requests(events)).toEqual([
    "GET /sync 200",
    "GET /async 201",
    "GET /later 202",
    "GET /method 200",
    "GET /throws 503 failed",
    "GET /rejects 503 failed",
    "GET /rejects-later 503 failed",
    "GET /throws-string 503 failed",
    "GET /stream 200",
    "GET /generator 200",
    "GET /own-storage 200",
    "GET /broken 500 failed",
    "GET /class 200",
    "GET /redirect 302",
    "GET /sync 200",
    "GET /files/a/b 200",
    "GET /params/17 200",
    "POST /method 200",
    "DELETE /method 404",
    "POST /class 404",
    "GET /nowhere 404",
    "GET /rejects-later 503 failed",
    "GET /rejects-later 503 failed",
    "GET /rejects-later 503 failed",
    "GET /path 404",
    "GET /reloaded 200",
    "GET /throws 500 failed",
    "GET /rejects 500 failed",
    "GET /nothing 0",
    "GET /reloaded 200",
    "GET / 500 failed",
    "GET / 504 failed",
    "GET / 500 failed",
    "GET / 500 failed",
    "GET / 200",
    "GET / 200",
    "GET /no-upgrade 400",
    "GET /upgrade 101",
  ]);
  const errors = events.filter(({ name }) => name === "http_server:error");
  expect(errors.map(({ fields }) => fields["error"])).toEqual([
    "Error: thrown",
    "Error: rejected",
    "Error: one for all",
    "string: a string",
    "Error: one for all",
    "Error: one for all",
    "Error: one for all",
    "Error: rejected",
    "Error: thrown",
    "Error: thrown",
    "Error: thrown",
    "Error: thrown",
  ]);
  const failed = spansOf(events, "http_server:request").filter(({ end }) => end["failed"] === "true");
  for (const { fields } of errors) expect(failed.map(({ id }) => id)).toContain(Number(fields["span_id"]));
});

test("a request has the pattern that its path matched, and none where fetch has it", async () => {
  await using place = new Place();
  const program = join(import.meta.dirname, "programs/serve.ts");
  await run(place, program, { session: { enable: ["http_server:*"] } });
  const begins = (await readTrace(place.output))
    .filter(({ name }) => name === "http_server:request_begin")
    .map(({ fields }) => `${String(fields["method"])} ${String(fields["path"])}: ${String(fields["route"])}`);
  for (const line of [
    "GET /sync: /sync",
    "GET /params/17: /params/:id",
    "GET /files/a/b: /files/*",
    "POST /method: /method",
    "DELETE /method: (none)",
    "GET /nowhere: (none)",
    "GET /reloaded: (none)",
  ])
    expect(begins).toContain(line);
});

test("export default", async () => {
  const free = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const port = String(free.port);
  await free.stop(true);
  const { ended, events } = await both("export-default.ts", [], { env: { PORT: port } });
  expect(ended.stdout).toContain("418 true GET\n");
  expect(requests(events)).toEqual(["GET /path 418"]);
});

test("what happens in a request is inside its span, also when requests overlap", async () => {
  const { ended, events } = await both("parents.ts");
  const answers = ended.stdout.trim().split("\n");
  const find = (name: string, n: number, of: (begin: SpanRead["begin"]) => unknown): SpanRead => {
    const found = spansOf(events, name).filter(({ begin }) => of(begin) === n);
    if (found.length !== 1 || !found[0]) throw new Error(`${name} of ${n}: ${found.length}`);
    return found[0];
  };
  const numberIn = (text: unknown, pattern: RegExp): number => Number(pattern.exec(String(text))?.[1] ?? -1);
  const queries = spansOf(events, "sqlite:query");
  for (const [n, answer] of answers.entries()) {
    expect(answer).toBe(`${n} /inner/${n}`);
    const asked = find("test:asked", n, (begin) => begin["n"]);
    const outerCall = find("http_client:request", n, (begin) => numberIn(begin["url"], /outer\/(\d+)$/));
    const request = find("http_server:request", n, (begin) => numberIn(begin["path"], /outer\/(\d+)$/));
    const work = find("test:work", n, (begin) => begin["n"]);
    const step = find("test:step", n, (begin) => begin["n"]);
    const innerCall = find("http_client:request", n, (begin) => numberIn(begin["url"], /inner\/(\d+)$/));
    const inner = find("http_server:request", n, (begin) => numberIn(begin["path"], /inner\/(\d+)$/));
    expect([asked.parent, outerCall.parent, request.parent]).toEqual([0, asked.id, 0]);
    expect([work.parent, step.parent, innerCall.parent]).toEqual([request.id, work.id, request.id]);
    expect(inner.parent).toBe(0);
    expect(queries.filter(({ parent }) => parent === step.id)).toHaveLength(1);
  }
  expect(answers).toHaveLength(40);
  // A request that did not come by the network; what follows is not inside it.
  const direct = find("test:asked", 5000, (begin) => begin["n"]);
  const handled = find("http_server:request", 5000, (begin) => numberIn(begin["path"], /inner\/(\d+)$/));
  const after = find("test:step", 5000, (begin) => begin["n"]);
  expect([handled.parent, after.parent]).toEqual([direct.id, direct.id]);
  // And by hand, inside a span that was entered.
  const entered = find("test:asked", 6000, (begin) => begin["n"]);
  const called6000 = find("http_server:request", 6000, (begin) => numberIn(begin["path"], /own\/(\d+)$/));
  const [within, behind] = [6000, 6001].map((n) => find("test:step", n, (begin) => begin["n"]));
  expect([called6000.parent, within?.parent, behind?.parent]).toEqual([
    entered.id,
    called6000.id,
    entered.id,
  ]);
  expect(queries).toHaveLength(42);
  const [transaction] = spansOf(events, "sqlite:transaction");
  expect(queries[40]?.parent).toBe(transaction?.id ?? -1);
  const called = find("test:work", 2000, (begin) => begin["n"]);
  expect([called.parent, queries[41]?.parent]).toEqual([queries[41]?.id ?? -1, 0]);
});

test("a program that serves nobody has no such events", async () => {
  const { events } = await both("process-end.ts", ["end"]);
  expect(shown(events, "http_server", "http_client", "sqlite")).toEqual([]);
});
