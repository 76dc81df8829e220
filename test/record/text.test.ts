/** What the built-in providers write of URLs and errors: no secrets, and nothing of the program's runs. */
import { expect, test } from "bun:test";

import { cut, errorText, partsOf, pathOf, publicUrl } from "../../src/record/text.ts";

test.each([
  ["http://host/path", "http://host/path"],
  ["http://host/path?token=1#x", "http://host/path"],
  ["http://host#x?y", "http://host"],
  ["https://user:pass@host:8080/path@2", "https://host:8080/path@2"],
  ["https://user:p@ss@host/", "https://host/"],
  ["https://user@host?at@sign", "https://host"],
  ["data:text/plain;base64,c2VjcmV0", "data:"],
  ["blob:1234", "blob:1234"],
  ["file:///home/me/x?y", "file:///home/me/x"],
  ["no url", "no url"],
  ["", ""],
])("publicUrl %s", (url, shown) => {
  expect(publicUrl(url)).toBe(shown);
});

test.each([
  ["http://host/path/x?token=1", "/path/x"],
  ["http://host", "/"],
  ["http://host/", "/"],
  ["http://host/a#b?c", "/a"],
  ["https://user:p@host:1/a//b", "/a//b"],
  ["/only/a?path", "/only/a"],
])("pathOf %s", (url, path) => {
  expect(pathOf(url)).toBe(path);
});

test("long texts are cut", () => {
  expect(cut("abc", 2)).toBe("ab");
  expect(publicUrl(`http://host/${"x".repeat(5000)}`)).toHaveLength(1024);
  expect(pathOf(`http://host/${"x".repeat(5000)}`)).toHaveLength(1024);
  expect(errorText(new Error("x".repeat(5000)))).toHaveLength(1024);
});

test("errors, and what is none", () => {
  expect(errorText(new RangeError("too far"))).toBe("RangeError: too far");
  expect(partsOf("text")).toEqual({ name: "string", message: "text" });
  expect(partsOf(null)).toEqual({ name: "object", message: "null" });
  expect(partsOf(Symbol("s"))).toEqual({ name: "symbol", message: "Symbol(s)" });
  let called = false;
  const hostile = {
    toString() {
      called = true;
      return "x";
    },
  };
  expect(partsOf(hostile)).toEqual({ name: "object", message: "[object Object]" });
  expect(called).toBe(false);
  const throwing = Object.defineProperty(new Error(), "message", {
    get() {
      throw new Error("in a getter");
    },
  });
  expect(partsOf(throwing)).toEqual({ name: "unknown", message: "unknown" });
});
