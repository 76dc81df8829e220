/**
 * Reads a speedscope file: checked by ajv against the JSON schema that the package
 * speedscope ships, then by what its importer asks for (events in order, closed in
 * the order of a stack, all closed). Runs in the test process.
 */
import Ajv from "ajv";

import schema from "speedscope/dist/release/file-format-schema.json";
import { type DrawnSpan, Stack } from "./drawn.ts";

interface File {
  readonly shared: { readonly frames: readonly { readonly name: string }[] };
  readonly profiles: readonly {
    readonly name: string;
    readonly startValue: number;
    readonly endValue: number;
    readonly events: readonly { readonly type: "O" | "C"; readonly frame: number; readonly at: number }[];
  }[];
}

const validate = new Ajv({ strict: false }).compile<File>(schema);

/** The spans, or the pieces they were cut into; `thread` is the profile's name. @throws Error for what is not allowed */
export function readSpeedscope(bytes: Uint8Array): { spans: DrawnSpan[]; profiles: string[] } {
  const file: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  if (!validate(file)) throw new Error(JSON.stringify(validate.errors));
  const spans: DrawnSpan[] = [];
  for (const { name: thread, startValue, endValue, events } of file.profiles) {
    const stack = new Stack<number>();
    for (const { type, frame, at } of events) {
      if (at < startValue || at > endValue) throw new Error(`${at} is not in the profile`);
      const name = file.shared.frames[frame]?.name;
      if (name === undefined) throw new Error(`no frame ${frame}`);
      if (type === "O") stack.begin(BigInt(at), frame);
      else {
        const { of, start } = stack.end(BigInt(at));
        if (of !== frame) throw new Error(`frame ${frame} is closed while ${of} is open`);
        spans.push({ name, start, end: BigInt(at), args: {}, thread });
      }
    }
    if (stack.open.length > 0) throw new Error(`${stack.open.length} frames are left open in ${thread}`);
  }
  return { spans, profiles: file.profiles.map(({ name }) => name) };
}
