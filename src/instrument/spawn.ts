/**
 * Children, of the provider `process`: `Bun.spawn`, `Bun.spawnSync` and what stands on
 * them, all of node:child_process, as spans `child`, from the call until the child has
 * ended. Called by the preload, in every traced thread. `Bun.$` starts its children
 * without them, and is not seen.
 */
import { cut } from "../record/text.ts";
import { provider } from "../record/tracepoint.ts";
import { type Around, replace, wrap } from "./wrap.ts";

/** Where there is no command, or no signal. Not empty: babeltrace2 2.0.4 shows an earlier event's text for an empty one. */
const NONE = "(none)";

function define() {
  const process = provider("process");
  return {
    child: process.span("child", [["command", "string"]], {
      end: [
        ["status", "i32"],
        ["signal", "string"],
      ],
    }),
    spawned: process.tracepoint("spawned", [
      ["span_id", "u32"],
      ["pid", "u32"],
    ]),
  };
}

let defined: ReturnType<typeof define> | undefined;

/** Defined at the first call: a program that starts nobody has no such events. */
function events(): ReturnType<typeof define> {
  return (defined ??= define());
}

/** Both take the command alone, or as an option. */
function commandOf(argument: unknown): string {
  const command =
    !Array.isArray(argument) && typeof argument === "object" && argument !== null && "cmd" in argument
      ? argument.cmd
      : argument;
  return Array.isArray(command) && command.length > 0 ? cut(command.join(" ")) : NONE;
}

/** What is read of a child that runs, or of one that was waited for. */
interface Child {
  readonly pid?: number;
  readonly exited?: Promise<number>;
  readonly exitCode?: number | null;
  readonly signalCode?: string | null;
}

/** @param status -1 where a signal ended it, or it was not started. */
function end(id: number, { exitCode, signalCode }: Child): void {
  events().child.end(id, exitCode !== 0, exitCode ?? -1, signalCode ?? NONE);
}

const around: Around<number> = {
  before: (_, [command]) => (events().child.enabled ? events().child.begin(commandOf(command)) : undefined),
  left(id, threw) {
    if (threw) end(id, {});
  },
  returned(id, result) {
    const child = result as Child;
    events().spawned(id, Number(child.pid));
    // `exited` is Bun's own, and never rejected; waiting for it keeps no program alive.
    if (child.exited instanceof Promise) void child.exited.then(() => end(id, child));
    else end(id, child);
    return result;
  },
};

/** Replaces both. */
export function instrumentSpawn(): void {
  for (const name of ["spawn", "spawnSync"]) replace(Bun, name, (original) => wrap(original, around));
}
