/**
 * Provider `http_client`: calls of the global `fetch` as spans `request`, from the
 * call to the response's head or the failure: a status of 400 and more is a response,
 * and no failure of the call. Called by the preload, in every traced thread.
 * `Bun.fetch` is another function, which cannot be replaced.
 */
import { provider } from "../record/tracepoint.ts";
import { isPlainPromise } from "../record/span.ts";
import { errorText, publicUrl } from "../record/text.ts";
import { type Around, replace, wrap } from "./wrap.ts";

function define() {
  const client = provider("http_client");
  return {
    request: client.span(
      "request",
      [
        ["method", "string"],
        ["url", "string"],
      ],
      { end: [["status", "u16"]] },
    ),
    error: client.tracepoint(
      "error",
      [
        ["span_id", "u32"],
        ["error", "string"],
      ],
      { level: "error" },
    ),
  };
}

let defined: ReturnType<typeof define> | undefined;

/** Defined at the first call: a program that calls nobody has no such events. */
function events(): ReturnType<typeof define> {
  return (defined ??= define());
}

function urlOf(input: unknown): string {
  if (typeof input === "string") return publicUrl(input);
  if (input instanceof Request) return publicUrl(input.url);
  return input instanceof URL ? publicUrl(input.href) : "(unknown)";
}

function methodOf(input: unknown, init: unknown): string {
  const own = typeof init === "object" && init !== null && "method" in init ? init.method : undefined;
  if (typeof own === "string") return own.toUpperCase();
  return input instanceof Request ? input.method : "GET";
}

const around: Around<number> = {
  before(_, [input, init]) {
    const { request } = events();
    return request.enabled ? request.begin(methodOf(input, init), urlOf(input)) : undefined;
  },
  left(id, threw) {
    if (threw) events().request.end(id, true);
  },
  returned(id, promise) {
    const { request, error } = events();
    if (!isPlainPromise(promise)) {
      request.end(id);
      return promise;
    }
    // A promise of its own: a handler on fetch's would hide a rejection that nobody handles.
    return promise.then(
      (response) => {
        request.end(id, false, response instanceof Response ? response.status : 0);
        return response;
      },
      (reason: unknown) => {
        error(id, errorText(reason));
        request.end(id, true);
        throw reason;
      },
    );
  },
};

/** Replaces the global `fetch`. */
export function instrumentFetch(): void {
  replace(globalThis, "fetch", (original) => wrap(original, around));
}
