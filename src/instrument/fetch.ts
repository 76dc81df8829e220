/**
 * Provider `http_client`: calls of the global `fetch` as spans `request`, from the
 * call to the response's head or the failure. Called by the preload, in every traced
 * thread. `Bun.fetch` is another function, which cannot be replaced.
 */
import { provider } from "../record/tracepoint.ts";
import { isPlainPromise } from "../record/span.ts";
import { errorText, publicUrl } from "./text.ts";
import { type AroundNative, replace, wrapNative } from "./wrap.ts";

function defineRequest() {
  return provider("http_client").span(
    "request",
    [
      ["method", "string"],
      ["url", "string"],
    ],
    {
      end: [
        ["status", "u16"],
        ["error", "string"],
      ],
    },
  );
}

let defined: ReturnType<typeof defineRequest> | undefined;

/** Defined at the first call: a program that calls nobody has no such events. */
function requestSpan(): ReturnType<typeof defineRequest> {
  return (defined ??= defineRequest());
}

function urlOf(input: unknown): string {
  if (typeof input === "string") return publicUrl(input);
  if (input instanceof Request) return publicUrl(input.url);
  return input instanceof URL ? publicUrl(input.href) : "";
}

function methodOf(input: unknown, init: unknown): string {
  const own = typeof init === "object" && init !== null && "method" in init ? init.method : undefined;
  if (typeof own === "string") return own.toUpperCase();
  return input instanceof Request ? input.method : "GET";
}

const around: AroundNative<number> = {
  before(_, [input, init]) {
    const span = requestSpan();
    return span.enabled ? span.begin(methodOf(input, init), urlOf(input)) : undefined;
  },
  thrown(id, error) {
    requestSpan().end(id, true, 0, errorText(error));
  },
  returned(id, promise) {
    if (!isPlainPromise(promise)) {
      requestSpan().end(id);
      return promise;
    }
    // A promise of its own: a handler on fetch's would hide a rejection that nobody handles.
    return promise.then(
      (response) => {
        requestSpan().end(id, false, response instanceof Response ? response.status : 0, "");
        return response;
      },
      (error: unknown) => {
        requestSpan().end(id, true, 0, errorText(error));
        throw error;
      },
    );
  },
};

/** Replaces the global `fetch`. */
export function instrumentFetch(): void {
  replace(globalThis, "fetch", (original) => wrapNative(original, around));
}
