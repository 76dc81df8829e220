/** Provider `websocket`: sockets behave as untraced; what comes, what is sent, and what a handler does inside. */
import { expect, setDefaultTimeout, test } from "bun:test";

import { both, shown, spansOf } from "./both.ts";

setDefaultTimeout(120_000);

type Shown = ReturnType<typeof shown>;

test("sockets, messages, sends, broadcasts", async () => {
  const { events } = await both("websocket.ts", [], { session: { enable: ["websocket:*"] } });
  const opened = (socket: number): Shown => [
    ["websocket:open_begin", { socket }],
    ["websocket:send", { socket, bytes: 11, result: 11 }],
    ["websocket:open_end", { failed: "false" }],
  ];
  const answered = (socket: number, bytes: number, result: number): Shown => [
    ["websocket:message_begin", { socket, bytes }],
    ["websocket:send", { socket, bytes: result, result }],
    ["websocket:message_end", { failed: "false" }],
  ];
  const closed = (socket: number, code: number): Shown => [
    ["websocket:close_begin", { socket, code }],
    ["websocket:close_end", { failed: "false" }],
  ];
  const steps = shown(events, "websocket");
  const slow = steps.splice(steps.findIndex((step) => JSON.stringify(step).includes('"socket":4')));
  expect(steps).toEqual([
    ...opened(1),
    ...opened(2),
    ...answered(1, 6, 11),
    ...answered(1, 700, 700),
    ...answered(1, 4, 9).toSpliced(2, 0, ["websocket:publish", { topic: "news", bytes: 5, result: 5 }]),
    ["websocket:publish", { topic: "news", bytes: 9, result: 9 }],
    ...closed(1, 4001),
    ...closed(2, 1001),
    ["websocket:open_begin", { socket: 3 }],
    ["websocket:open_end", { failed: "false" }],
    ["websocket:message_begin", { socket: 3, bytes: 3 }],
    ["websocket:close_begin", { socket: 3, code: 1000 }],
    ["websocket:close_end", { failed: "false" }],
    ["websocket:message_end", { failed: "false" }],
  ]);
  const sends = slow.filter(([name]) => name === "websocket:send").map(([, fields]) => fields);
  const piece = { socket: 4, bytes: 2 ** 20, result: 2 ** 20 };
  expect(sends).toEqual([...sends.slice(1).map(() => piece), { ...piece, result: -1 }]);
  expect(slow.filter(([name]) => name !== "websocket:send")).toEqual([
    ["websocket:open_begin", { socket: 4 }],
    ["websocket:open_end", { failed: "false" }],
    ["websocket:message_begin", { socket: 4, bytes: 4 }],
    ["websocket:message_end", { failed: "false" }],
    ["websocket:drain_begin", { socket: 4 }],
    ["websocket:drain_end", { failed: "false" }],
    ...closed(4, 1001),
  ]);
});

test("what a handler does is inside its span, and its opening inside the request", async () => {
  const { events } = await both("websocket.ts", [], { session: { enable: ["*"] } });
  const opens = spansOf(events, "websocket:open");
  const [ann, bob] = opens;
  expect(opens.map(({ parent }) => parent)).toEqual(
    spansOf(events, "http_server:request").map(({ id }) => id),
  );
  const messages = spansOf(events, "websocket:message").slice(0, 3);
  const queries = spansOf(events, "sqlite:query");
  expect(queries.map(({ begin, parent }) => [begin["sql"], parent])).toEqual([
    ["SELECT 1", ann?.id],
    ["SELECT 3", ann?.parent],
    ["SELECT 1", bob?.id],
    ["SELECT 3", bob?.parent],
    ...messages.map(({ id }) => ["SELECT 2", id]),
  ]);
});

test("handlers that reject and that throw: told as untraced, and their spans have failed", async () => {
  const { events } = await both("websocket.ts", ["throw"], { session: { enable: ["websocket:message*"] } });
  expect(
    shown(events, "websocket")
      .filter(([name]) => name === "websocket:message_end")
      .slice(-4)
      .map(([, fields]) => fields),
  ).toEqual([{ failed: "true" }, { failed: "false" }, { failed: "true" }, { failed: "false" }]);
});
