// Which programs of some traces a signal has killed, as text. Called by the report and open commands.
import { basename } from "node:path";

import type { TraceSet } from "../ctf/trace.ts";
import { killedBy } from "../ctf/trace-end.ts";
import { lineText } from "./table.ts";

/** A text each, `killed by SIGKILL`; of one trace alone there is no need to say which. */
export function killedTexts({ traces }: TraceSet): string[] {
  return traces.flatMap(({ path, traceClass }) => {
    const signal = killedBy(traceClass);
    if (signal === undefined) return [];
    return [`${traces.length > 1 ? `${lineText(basename(path))}: ` : ""}killed by ${signal}`];
  });
}
