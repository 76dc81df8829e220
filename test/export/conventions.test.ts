/** The built-in spans in OTLP have the attributes of OpenTelemetry's semantic conventions. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { HEAD, packet, streamBlock, writeTrace } from "../ctf/hand-made.ts";
import { exportHere } from "../support/exported.ts";
import { Place } from "../support/place.ts";
import { run } from "../support/run.ts";
import { attributesOf, type OtlpSpan, readJson } from "./readers/otlp.ts";

setDefaultTimeout(120_000);

test("requests, calls and queries", async () => {
  await using place = new Place();
  const program = join(import.meta.dirname, "programs/conventions.ts");
  const { status } = await run(place, program, {
    session: { enable: ["http_server:*", "http_client:*", "sqlite:*"] },
  });
  expect(status).toBe(0);
  const { bytes } = await exportHere(place.output, "otlp-json", join(place.dir, "spans.json"));
  const spans = readJson<OtlpSpan>("traces", bytes).map(({ item }) => {
    const { "thread.id": _id, "thread.name": _name, ...attributes } = attributesOf(item.attributes);
    return { name: item.name, failed: item.status.code === 2, attributes };
  });
  const server = (path: string, code: bigint, route?: string): object => ({
    name: "http_server:request",
    failed: code >= 500n,
    attributes: {
      "http.request.method": "GET",
      "url.path": path,
      ...(route === undefined ? {} : { "http.route": route }),
      "http.response.status_code": code,
    },
  });
  for (const span of [
    server("/db/7", 200n, "/db/:id"),
    server("/broken", 500n, "/broken"),
    server("/elsewhere", 404n),
    {
      name: "sqlite:query",
      failed: false,
      attributes: { "db.query.text": "SELECT ? AS id", rows: 1n },
    },
  ])
    expect<unknown[]>(spans).toContainEqual(span);
  const calls = spans.filter(({ name }) => name === "http_client:request");
  // That a server answers, whatever, is no failure of the call.
  expect(calls).toEqual(
    [200n, 500n, 404n].map((code) => ({
      name: "http_client:request",
      failed: false,
      attributes: {
        "http.request.method": "GET",
        "url.full": expect.any(String),
        "http.response.status_code": code,
      },
    })),
  );
});

test("what is not known is left out: the route of none, the status of what got no answer", async () => {
  await using place = new Place();
  const directory = writeTrace(join(place.dir, "unknown"), {
    metadata: `${HEAD}env { tracer_name = "buntrace"; pid = 7; };
      ${streamBlock().replace("cpu_id", "tid")}
      event { name = "http_client:request_begin"; id = 0; stream_id = 0; model.emf.uri = "buntrace:span_begin";
        fields := struct { u32 span_id; u32 parent_id; string method; string url; }; };
      event { name = "http_client:request_end"; id = 1; stream_id = 0; model.emf.uri = "buntrace:span_end";
        fields := struct { u32 span_id; u8 failed; u16 status; }; };`,
    one: packet([
      { id: 0, time: 1n, body: (bits) => bits.bytes(Buffer.from("\x01\0\0\0\0\0\0\0GET\0http://x/\0")) },
      { id: 1, time: 2n, body: (bits) => bits.bytes(Uint8Array.of(1, 0, 0, 0, 1, 0, 0)) },
    ]),
  });
  const { bytes } = await exportHere(directory, "otlp-json", join(place.dir, "unknown.json"));
  const [span] = readJson<OtlpSpan>("traces", bytes);
  expect(span?.item.status.code).toBe(2);
  const { "thread.id": _id, "thread.name": _name, ...attributes } = attributesOf(span?.item.attributes);
  expect(attributes).toEqual({ "http.request.method": "GET", "url.full": "http://x/" });
});
