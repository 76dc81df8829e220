/**
 * A program for bench/open.ts: emits the events of a busy server as fast as it can, two thirds of them
 * spans, sixteen requests at a time, and leaves some unfinished: `busy-server.ts DIR EVENTS`.
 */
import { openSession, provider } from "../../src/index.ts";

const [output = "", events = "0"] = process.argv.slice(2);

/** Requests that run side by side. */
const SLOTS = 16;

const load = provider("load");
const request = load.span(
  "request",
  [
    ["method", { enum: ["GET", "POST"] }],
    ["path", "string"],
  ],
  { end: [["status", "u16"]] },
);
const query = load.span("query", [["sql", "string"]]);
const cacheMiss = load.tracepoint("cache_miss", [["key", "u32"]]);
const depth = load.counter("depth", "u32");

const session = await openSession({ output, mode: "block", enable: ["load:*"] });
const ids = Array.from({ length: SLOTS }, () => 0);
const paths = Array.from({ length: 200 }, (_none, at) => `/items/${at}`);
let random = 12345;
let emitted = 0;
let open = 0;

function next(below: number): number {
  random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
  return random % below;
}

while (emitted < Number(events)) {
  const slot = next(SLOTS);
  const id = ids[slot] ?? 0;
  if (id === 0) {
    ids[slot] = request.begin(next(4) === 0 ? "POST" : "GET", paths[next(200)] ?? "");
    depth(++open);
    emitted += 2;
  } else if (next(3) > 0) {
    request.run(id, () => {
      using _ = query.enter("SELECT * FROM item WHERE id = ?");
      if (next(4) === 0) {
        cacheMiss(next(1000));
        emitted += 1;
      }
    });
    emitted += 2;
  } else {
    request.end(id, next(200) === 0, next(50) === 0 ? 500 : 200);
    ids[slot] = 0;
    depth(--open);
    emitted += 2;
  }
}
await session.close();
