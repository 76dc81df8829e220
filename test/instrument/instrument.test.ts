/** What holds for all instruments: disabled, twice, and broken. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { replace, wrap } from "../../src/instrument/wrap.ts";
import { both, shown, spansOf } from "./both.ts";

setDefaultTimeout(120_000);

const normalize = (text: string): string => text.replace(/127\.0\.0\.1:\d{4,5}/g, "127.0.0.1:PORT");

test.each(["serve.ts", "fetch.ts", "sqlite.ts", "process-end.ts"])(
  "%s does the same while its events are disabled, and there are none",
  async (program) => {
    const { events } = await both(program, [], { session: { enable: ["none:*"] }, normalize });
    expect(events).toEqual([]);
  },
);

test("a second instrumentation changes nothing", async () => {
  const { events } = await both("again.ts");
  expect(spansOf(events, "http_client:request")).toHaveLength(1);
  expect(spansOf(events, "http_server:request")).toHaveLength(1);
  expect(shown(events, "process").map(([name]) => name)).toEqual(["process:start", "process:exit"]);
});

test("an instrument that fails leaves the others, and the program, alone", async () => {
  const breaker = `--preload=${join(import.meta.dirname, "programs/breaker.ts")}`;
  const { ended, events } = await both("fetch.ts", [], { bunArgs: [breaker], normalize });
  expect(ended.status).toBe(0);
  expect(spansOf(events, "http_client:request").length).toBeGreaterThan(5);
});

test("what an instrument throws, before a call or after it, is not the program's", () => {
  const fail = (): never => {
    throw new Error("of the instrument");
  };
  const good = { before: () => 1, left: () => {}, returned: (_: number, result: unknown) => result };
  const add = (a: unknown, b: unknown): unknown => Number(a) + Number(b);
  for (const bad of [{ before: fail }, { left: fail }, { returned: fail }])
    expect(wrap(add, { ...good, ...bad })(1, 2)).toBe(3);
  const failing = (): never => {
    throw new Error("of the program");
  };
  for (const bad of [{ before: fail }, { left: fail }, { returned: fail }])
    expect(wrap(failing, { ...good, ...bad })).toThrow("of the program");
});

test("what a program may not replace stays", () => {
  const own = (): void => {};
  const object = Object.defineProperty({}, "own", { value: own, writable: false, configurable: true });
  replace(object, "own", () => () => {});
  expect(Reflect.get(object, "own")).toBe(own);
});
