/** Which request an `error` handler is called for. */
import { expect, test } from "bun:test";

import { Failures } from "../../src/instrument/serve-failures.ts";

/** Failures of requests "a", "b" ..; and those given up. */
function make(): { failures: Failures<string>; givenUp: string[] } {
  const givenUp: string[] = [];
  return { failures: new Failures((request) => givenUp.push(request)), givenUp };
}

test("rejections are found by their errors, whatever their order", () => {
  const { failures, givenUp } = make();
  const errors = [new Error("same text"), new Error("same text"), NaN, "text"] as const;
  ["a", "b", "c", "d"].forEach((request, i) => failures.rejected(request, errors[i]));
  expect(failures.take(errors[2])).toEqual({ request: "c", thrown: false });
  expect(failures.take(errors[1])).toEqual({ request: "b", thrown: false });
  expect(failures.take(errors[3])).toEqual({ request: "d", thrown: false });
  expect(failures.take(errors[0])).toEqual({ request: "a", thrown: false });
  expect(failures.take(errors[0])).toBeUndefined();
  expect(givenUp).toEqual([]);
});

test("one error of two requests is found twice", () => {
  const { failures } = make();
  failures.rejected("a", "one");
  failures.rejected("b", "one");
  expect([failures.take("one")?.request, failures.take("one")?.request]).toEqual(["a", "b"]);
});

test("what was thrown comes first, with whatever error", () => {
  const { failures } = make();
  failures.rejected("a", "error");
  failures.threw("b");
  expect(failures.take("error")).toEqual({ request: "b", thrown: true });
  expect(failures.take("error")).toEqual({ request: "a", thrown: false });
});

test("failures that no handler was called for are given up, and not kept for ever", () => {
  const { failures, givenUp } = make();
  failures.threw("a");
  failures.threw("b");
  expect(givenUp).toEqual(["a"]);
  expect(failures.take(0)?.request).toBe("b");
  for (let i = 0; i < 1000; i++) failures.rejected(`r${i}`, i);
  expect(givenUp.slice(0, 3)).toEqual(["a", "r0", "r1"]);
  expect(failures.take(0)).toBeUndefined();
  expect(failures.take(999)?.request).toBe("r999");
});
