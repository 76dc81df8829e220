/**
 * Emits fields of every type and texts that would do harm in a page which took them for
 * markup. Started by tests, under the recorder.
 */
import { nameThread, provider } from "../../../src/index.ts";

nameThread("</script><b>");
const here = provider("test");
const all = here.tracepoint("all", [
  ["text", "string"],
  ["big", "u64"],
  ["negative", "i64"],
  ["ratio", "f64"],
  ["flag", "bool"],
  ["method", { enum: ["GET", "</script>"] }],
  ["numbers", "i32[]"],
]);
const work = here.span("work", [["path", "string"]]);

const TEXTS = [
  "</script><script>globalThis.taken = 1</script>",
  "<img src=x onerror='globalThis.taken = 1'>",
  "-->]]>\"'&amp;\\u003c",
  "héllo \u{1f600} \u202e",
  "",
  "x".repeat(6000),
];
for (const [index, text] of TEXTS.entries()) {
  all(
    text,
    2n ** 64n - 1n - BigInt(index),
    -5n,
    index / 7,
    index % 2 === 0,
    index % 2 === 0 ? "GET" : "</script>",
    [index, -1],
  );
  using _ = work.enter(text);
}
