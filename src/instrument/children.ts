/**
 * Programs that a traced program starts. What makes them record themselves, too, is
 * what they inherit of the environment: one that gets another environment is left
 * alone, and with `record --no-follow` so are all. Listed in
 * index.ts; works in every traced thread.
 */
import { type RecordSettings, SETTINGS_VARIABLE } from "../record/settings.ts";
import { type Callable, replace, wrap } from "./wrap.ts";

/**
 * Sees to programs started from now on.
 * @param settings undefined: not run by `record`, or in a Worker of a program whose
 * children are left alone.
 */
export function instrumentChildren(_preload: string, settings: RecordSettings | undefined): void {
  if (settings) hidePreload(settings);
  if (settings?.follow === false || process.env[SETTINGS_VARIABLE] === "") leaveAlone(settings);
}

/**
 * Takes the preload out of `process.execArgv`, which `fork` hands on whatever the
 * environment: the child would record into an output of its own.
 */
function hidePreload({ bunOption }: RecordSettings): void {
  const at = process.execArgv.indexOf(bunOption?.replaceAll('"', "") ?? "");
  if (at >= 0) process.execArgv.splice(at, 1);
}

/** Children are not recorded. Workers are: they find an empty variable for what was there. */
function leaveAlone(settings: RecordSettings | undefined): void {
  const own = process.env["BUN_OPTIONS"];
  const others = own?.slice(settings?.bunOption?.length ?? 0).trim();
  if (others === "") delete process.env["BUN_OPTIONS"];
  else if (settings && others !== undefined) process.env["BUN_OPTIONS"] = others;
  process.env[SETTINGS_VARIABLE] = "";
  // Bun.spawn gives its children the environment that the program was started with,
  // whatever became of process.env.
  const env = { ...process.env };
  const withEnvironment = (original: Callable): Callable =>
    wrap(original, {
      before(_, args) {
        const at = Array.isArray(args[0]) ? 1 : 0;
        const options = args[at] as { readonly env?: unknown } | undefined;
        if (options?.env === undefined) args[at] = { ...options, env };
        return undefined;
      },
      left() {},
      returned: (_, result) => result,
    });
  for (const name of ["spawn", "spawnSync"] as const) replace(Bun, name, withEnvironment);
}
