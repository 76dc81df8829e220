// Processes and threads by numbers and names, as viewers want them: each has both, whatever the trace says. Used by the
// formats that viewers draw.
import type { Trace } from "../ctf/trace.ts";
import type { Thread } from "../spans/index.ts";

/** Numbers from here on are given to threads and processes that have none. Linux has none so high. */
const FIRST_MADE_UP = 1_000_000_000;

/** A process: what one trace is of. */
export interface ProcessName {
  readonly pid: number;
  readonly name: string;
}

/** A thread of it. */
export interface ThreadName {
  readonly tid: number;
  readonly name: string;
}

/** Knows who is who in one export. */
export class Who {
  readonly #processes = new Map<Trace, ProcessName>();
  readonly #tids = new Map<Thread, number>();
  #madeUp = FIRST_MADE_UP;

  /** The process of a thread, or of a trace. */
  process(trace: Trace, pid: number | undefined): ProcessName {
    let known = this.#processes.get(trace);
    if (known === undefined) {
      const { environment } = trace.traceClass;
      const said = environment.get("pid") ?? environment.get("vpid");
      const name = environment.get("program") ?? environment.get("procname") ?? environment.get("hostname");
      known = {
        pid: pid ?? (typeof said === "bigint" ? Number(said) : this.#madeUp++),
        name: name === undefined ? trace.path : String(name),
      };
      this.#processes.set(trace, known);
    }
    // A trace of a whole machine is of many processes.
    return pid === undefined || pid === known.pid ? known : { pid, name: known.name };
  }

  thread(thread: Thread): ThreadName {
    let tid = this.#tids.get(thread);
    if (tid === undefined) this.#tids.set(thread, (tid = thread.tid ?? this.#madeUp++));
    return { tid, name: thread.name ?? `thread ${tid}` };
  }
}
