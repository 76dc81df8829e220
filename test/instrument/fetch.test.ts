/** Provider `http_client`: calls of fetch do what they do untraced, and each is a span without secrets. */
import { expect, setDefaultTimeout, test } from "bun:test";

import { both, shown, spansOf } from "./both.ts";

setDefaultTimeout(120_000);

test("results, failures, aborts; properties of fetch itself", async () => {
  const { ended, events } = await both("fetch.ts", [], {
    session: { enable: ["http_client:*"] },
    normalize: (text) => text.replace(/127\.0\.0\.1:\d{4,5}/g, "127.0.0.1:PORT"),
  });
  expect(ended.status).toBe(0);
  const requests = spansOf(events, "http_client:request").map(
    ({ begin, end }) =>
      `${String(begin["method"])} ${String(begin["url"]).replace(/127\.0\.0\.1:\d{4,5}/, "HERE")} ${String(end["status"])}${end["failed"] === "true" ? " failed" : ""}`,
  );
  expect(requests).toEqual([
    "GET http://HERE/string 203",
    "POST http://HERE/url 203",
    "DELETE http://HERE/request 203",
    "PUT http://HERE/request 203",
    "GET http://HERE/redirect 203",
    "GET http://HERE/redirect 302",
    "GET http://HERE/user 203",
    "GET data: 200",
    "GET http://127.0.0.1:1/nobody 0 failed",
    "GET http://HERE/slow 0 failed",
    "GET http://HERE/slow 0 failed",
    "GET no url 0 failed",
    "GET (unknown) 0 failed",
    "GET (unknown) 203",
    "GET (unknown) 0 failed",
    "GET http://HERE/promise 203",
    "GET http://HERE/1 203",
    "GET http://HERE/2 203",
  ]);
  const errors = events.filter(({ name }) => name === "http_client:error");
  const failed = spansOf(events, "http_client:request").filter(({ end }) => end["failed"] === "true");
  expect(errors.map(({ fields }) => Number(fields["span_id"])).sort()).toEqual(
    failed.map(({ id }) => id).sort(),
  );
  expect(errors.map(({ fields }) => fields["error"]).slice(0, 3)).toEqual([
    expect.stringMatching(/^\w+: .*Unable to connect/),
    expect.stringMatching(/^AbortError: /),
    "Error: own reason",
  ]);
  for (const { fields } of errors)
    expect(
      events.filter((one) => one.fields["span_id"] === fields["span_id"]).map(({ name }) => name),
    ).toEqual(["request_begin", "error", "request_end"].map((name) => `http_client:${name}`));
  expect(JSON.stringify(shown(events, "http_client"))).not.toMatch(/secret|pass/);
});

test.each(["unhandled", "thrown"])("a failed fetch is reported once: %s", async (way) => {
  const { ended } = await both("fetch.ts", [way], {
    normalize: (text) => text.replace(/127\.0\.0\.1:\d{4,5}/g, "127.0.0.1:PORT"),
  });
  expect(ended.status).toBe(1);
  expect(ended.stderr.split("ECONNREFUSED: ")).toHaveLength(2);
});
