/**
 * The two texts of a trace that must be one: babeltrace2's and this reader's. Runs in
 * the test process.
 */
import { openTraces } from "../../src/ctf/trace.ts";
import { EventText } from "../../src/report/event-text.ts";
import { Output } from "../../src/report/output.ts";
import type { Palette } from "../../src/report/style.ts";
import { babeltrace } from "../support/babeltrace.ts";

const NONE = { open: "", close: "" };
const PLAIN: Palette = {
  time: NONE,
  eventName: NONE,
  fieldName: NONE,
  value: NONE,
  unknown: NONE,
  warning: NONE,
};

/** What babeltrace2 prints of the traces in a directory; its warnings about harmless things are left out. */
export async function theirText(
  directory: string,
): Promise<{ text: string; stderr: string; status: number }> {
  const args = ["--clock-gmt", "--clock-date", "--color=never", directory];
  const { stdout, stderr, status } = await babeltrace(args);
  // It warns of index files, of header fields that it ignores, and of times before 1970.
  const lines = stderr.split("\n").filter((line) => !/^[\d-]+ [\d:.]+ +\d+ +\d+ W |^\[warning\]/.test(line));
  return { text: stdout, stderr: lines.join("\n"), status };
}

/** What this reader prints of them; what it finds wrong comes after the events. */
export function ourText(directory: string): { text: string; problems: readonly string[] } {
  const set = openTraces(directory);
  const out = new Output(undefined);
  const text = new EventText(set, out, { kind: "absolute", date: true, utc: true }, PLAIN);
  for (const { batch, from, to } of set.runs()) {
    text.begin(batch);
    for (let at = from; at < to; at += 1) text.write(batch, at);
  }
  set.close();
  return {
    text: new TextDecoder().decode(out.bytes.subarray(0, out.at)),
    problems: set.problems.map(({ message }) => message),
  };
}
