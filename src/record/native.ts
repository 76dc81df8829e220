/**
 * The only place that loads the shim: finds the binaries, builds them in a source
 * tree that has none, and gives the shim's functions a TypeScript face. Called in
 * the traced process, from any JavaScript thread; every thread gets the same
 * library. Where the platform has no shim, `loadNative` says why.
 */
import type { dlopen, Pointer, toBuffer } from "bun:ffi";

interface Ffi {
  readonly dlopen: typeof dlopen;
  readonly toBuffer: typeof toBuffer;
}

let found: Ffi | undefined;

/**
 * What the module bun:ffi is made of: loading the module itself takes half a
 * millisecond of a traced program's start. Bun does not document `Bun.FFI`; the
 * module serves where it is not there.
 */
function ffi(): Ffi {
  const inner: unknown = Reflect.get(Bun, "FFI");
  return (found ??= isFfi(inner) ? inner : (require("bun:ffi") as typeof import("bun:ffi")));
}

function isFfi(value: unknown): value is Ffi {
  return (
    typeof value === "object" &&
    value !== null &&
    "dlopen" in value &&
    typeof value.dlopen === "function" &&
    "toBuffer" in value &&
    typeof value.toBuffer === "function"
  );
}

/** What every traced program calls. */
const SYMBOLS = {
  bt_random_uuid: { args: ["buffer"], returns: "void" },
  bt_create: { args: ["buffer", "buffer", "buffer", "buffer", "buffer", "buffer"], returns: "i32" },
  bt_session: { args: [], returns: "ptr" },
  bt_attach: { args: [], returns: "ptr" },
  bt_staging: { args: ["ptr"], returns: "ptr" },
  bt_name_thread: { args: ["ptr", "buffer"], returns: "void" },
  bt_declare: { args: ["buffer", "i32", "buffer", "buffer", "i32"], returns: "i32" },
  bt_commit_cycles: { args: ["ptr", "i32", "i32"], returns: "void" },
  bt_commit_monotonic: { args: ["ptr", "i32", "i32"], returns: "void" },
  bt_count_altered: { args: [], returns: "void" },
  bt_flush: { args: [], returns: "i32" },
  bt_stop: { args: [], returns: "i32" },
} as const;

/** What commands and snapshots call; found when first asked for, since each takes 5 us of a program's start. */
const STEER_SYMBOLS = {
  bt_check_session_dir: { args: ["buffer", "buffer"], returns: "i32" },
  bt_session_path: { args: ["buffer"], returns: "void" },
  bt_tell_flush: { args: ["buffer", "buffer"], returns: "i32" },
  bt_tell_finish: { args: ["buffer", "buffer"], returns: "i32" },
  bt_snapshot: { args: ["buffer", "buffer", "buffer", "buffer"], returns: "i32" },
  bt_watch_signal: { args: ["i32"], returns: "i32" },
  bt_take_signals: { args: ["i32"], returns: "i32" },
  bt_reap_orphans: { args: ["i32"], returns: "void" },
  bt_die_by: { args: ["i32"], returns: "void" },
} as const;

/** The shim, loaded. */
export interface Native {
  readonly shim: ReturnType<typeof dlopen<typeof SYMBOLS>>["symbols"];
  readonly steer: ReturnType<typeof dlopen<typeof STEER_SYMBOLS>>["symbols"];
  /** Absolute path of the consumer program. */
  readonly consumerPath: string;
}

/** The hot call: commits `length` bytes of the staging area as an event. */
export type Commit = (writer: Pointer | null, id: number, length: number) => void;

const utf8 = new TextEncoder();

/** Text as the shim takes it: UTF-8 with a NUL. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return utf8.encode(`${text}\0`);
}

/** Room for the shim's error messages (create.c). */
export const ERROR_BYTES = 512;

/** Text that the shim wrote. */
export function textOf(bytes: Buffer): string {
  return bytes.toString("utf8", 0, bytes.indexOf(0));
}

/** A view of memory that the shim owns and never frees. */
export function viewOf(address: Pointer, bytes: number): Buffer<ArrayBuffer> {
  return ffi().toBuffer(address, 0, bytes) as Buffer<ArrayBuffer>;
}

/** An address that the shim returned; null for NULL. User-space addresses fit a number. */
export function address(returned: Pointer | bigint | null): Pointer | null {
  return typeof returned === "bigint" ? (Number(returned) as Pointer) : returned;
}

/** The root of the package: this file lies two directories below it, bundled or not. */
const ROOT = `${import.meta.dirname}/../..`;

/** Where the binaries of this machine are, or would be. */
function binariesDir(): string {
  return process.env["BUNTRACE_BINARIES"] ?? `${ROOT}/shim/bin/${process.platform}-${process.arch}`;
}

/** Why the library cannot record here, or undefined when it can. */
function unsupported(): string | undefined {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64"))
    return `${process.platform}-${process.arch} is not supported (Linux x64 and arm64 are)`;
  if (process.env["BUN_JSC_useJIT"] === "0" || process.env["BUN_JSC_useJIT"] === "false")
    return "bun:ffi needs the JIT, and BUN_JSC_useJIT=0 switches it off";
  return undefined;
}

/** Functions of the library, which stays loaded. @throws Error when it cannot be loaded, or has not got one of them. */
function open<const T extends Parameters<typeof dlopen>[1]>(
  path: string,
  symbols: T,
): ReturnType<typeof dlopen<T>>["symbols"] {
  const library = ffi().dlopen(path, symbols);
  if (library instanceof Error) throw library; // as the one inside bun:ffi tells of them
  return library.symbols;
}

/**
 * Loads the shim.
 * @returns the shim, or one line that says why there is none.
 */
export function loadNative(): Native | string {
  const reason = unsupported();
  if (reason !== undefined) return reason;
  const dir = binariesDir();
  const load = (): Native => {
    const path = `${dir}/libbuntrace.so`;
    let steer: Native["steer"] | undefined;
    return {
      shim: open(path, SYMBOLS),
      get steer() {
        return (steer ??= open(path, STEER_SYMBOLS));
      },
      consumerPath: `${dir}/buntrace-consumer`,
    };
  };
  try {
    return load();
  } catch (error) {
    try {
      if (buildHere(dir)) return load();
    } catch (failure) {
      return firstLine(failure);
    }
    return `its library cannot be loaded: ${firstLine(error)}`;
  }
}

/**
 * A source tree builds its binaries the first time they are needed.
 * @returns whether it did. @throws Error when it could not.
 */
function buildHere(dir: string): boolean {
  const { existsSync } = require("node:fs") as typeof import("node:fs");
  const script = `${ROOT}/shim/build.ts`;
  if (existsSync(`${dir}/libbuntrace.so`) || process.env["BUNTRACE_BINARIES"] !== undefined) return false;
  if (!existsSync(script)) throw new Error("the package came without binaries for this machine");
  const { build, thisTarget } = require(script) as typeof import("../../shim/build.ts");
  const target = thisTarget();
  if (!target) return false;
  console.error("buntrace: building its native parts with zig cc, once (a minute or more) ...");
  build(target);
  return true;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
