/**
 * Takes away what Bun does not document and native.ts uses where it is there. Loaded by tests
 * before anything else. The module bun:ffi is itself made of it, so that comes first.
 */
import "bun:ffi";

Reflect.set(Bun, "FFI", process.env["INNER_FFI"] === "other" ? { dlopen: 1 } : undefined);
