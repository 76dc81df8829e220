/** Servers of node:http: they answer as untraced, and each request is a span of `http_server`. */
import { expect, setDefaultTimeout, test } from "bun:test";

import { both, spansOf } from "./both.ts";

setDefaultTimeout(120_000);

test("requests, a client that leaves, and what happens inside", async () => {
  const { ended, events } = await both("node-http.ts", [], {
    session: { enable: ["http_server:*", "test:*"] },
  });
  expect(ended.status).toBe(0);
  const requests = spansOf(events, "http_server:request");
  const shown = requests.map(
    ({ begin, end }) =>
      `${String(begin["method"])} ${String(begin["path"])} ${String(end["status"])}${end["failed"] === "true" ? " failed" : ""}`,
  );
  expect(shown.slice(0, 4)).toEqual([
    "GET /plain 200",
    "POST /missing 404",
    "GET /broken 500 failed",
    "GET /own-storage 200",
  ]);
  expect(shown.slice(4, -1).toSorted()).toEqual(
    Array.from({ length: 20 }, (_, n) => `GET /n/${n} 200`).toSorted(),
  );
  expect(shown.at(-1)).toBe("GET /hang 200 failed");
  const works = spansOf(events, "test:work");
  expect(works).toHaveLength(23);
  for (let n = 1; n < 20; n++) {
    const own = works.filter(({ begin }) => begin["n"] === n);
    expect(own.map(({ parent }) => parent)).toEqual(
      requests.filter(({ begin }) => begin["path"] === `/n/${n}`).map(({ id }) => id),
    );
  }
});
