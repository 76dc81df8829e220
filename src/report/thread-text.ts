/** A thread in what people read. Used by the report and its parts, in the command's process. */
import type { Thread } from "../spans/index.ts";
import { lineText } from "./table.ts";

/** A thread for people: its name and numbers, as far as they are known. */
export function threadText({ name, tid, pid }: Thread): string {
  const number = tid === undefined ? (pid === undefined ? "" : `process ${pid}`) : String(tid);
  const named = name === undefined || name === "" ? "" : name;
  return lineText([named, number].join(" ")) || "(unknown)";
}
