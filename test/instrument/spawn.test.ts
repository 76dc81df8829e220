/** Children: started and waited for as untraced, and each is a span of `process`. */
import { expect, setDefaultTimeout, test } from "bun:test";

import { both, spansOf } from "./both.ts";

setDefaultTimeout(120_000);

/** Started, and still running when the program ended. */
const UNENDED = "sleep 5";
const PID = /^pid (\d+) of (.*)$/gm;

test("Bun.spawn, Bun.spawnSync and node:child_process", async () => {
  const { ended, events } = await both("spawn.ts", [], {
    session: { enable: ["process:*", "http_server:*"] },
    normalize: (text) => text.replaceAll(PID, ""),
  });
  const begins = events.filter(({ name }) => name === "process:child_begin");
  const [unended] = begins.filter(({ fields }) => fields["command"] === UNENDED);
  expect(begins.at(-1)).toBe(unended!);
  const spans = spansOf(
    events.filter((event) => event !== unended),
    "process:child",
  );
  expect(
    spans.map(({ begin, end }) => [begin["command"], end["status"], end["signal"], end["failed"]]),
  ).toEqual([
    ["echo one two", 0, "(none)", "false"],
    ["false", 1, "(none)", "true"],
    ["sh -c kill -TERM $$", -1, "SIGTERM", "true"],
    ["/no/such/program", -1, "(none)", "true"],
    ...Array.from({ length: 4 }, () => ["(none)", -1, "(none)", "true"]),
    ["sh -c echo sync; exit 3", 3, "(none)", "true"],
    ["true", 0, "(none)", "false"],
    ["echo node", 0, "(none)", "false"],
    ["echo file", 0, "(none)", "false"],
    ["/bin/sh -c exit 4", 4, "(none)", "true"],
    ["/no/such/program", -1, "(none)", "true"],
    ["echo asked", 0, "(none)", "false"],
  ]);
  const [request] = spansOf(events, "http_server:request");
  expect(spans.map(({ parent }) => parent)).toEqual([...spans.slice(1).map(() => 0), request!.id]);

  const spawned = events.filter(({ name }) => name === "process:spawned").map(({ fields }) => fields);
  const notStarted = spans.filter(({ end }) => end["status"] === -1 && end["signal"] === "(none)");
  expect(spawned.map((fields) => fields["span_id"])).toEqual(
    begins.map(({ fields }) => fields["span_id"]).filter((id) => !notStarted.some((span) => span.id === id)),
  );
  // The program prints those that it is given.
  const pids = [...ended.stdout.matchAll(PID)];
  expect(pids).toHaveLength(5);
  for (const [, pid, command] of pids) {
    const { id } = spans.find(({ begin }) => begin["command"] === command)!;
    expect(spawned).toContainEqual({ span_id: id, pid: Number(pid) });
  }
});
