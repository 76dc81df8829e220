/**
 * Provider `http_server`: a request in a handler's hands, as a span with what the
 * handler does inside. Used by serve.ts and node-http.ts, in the thread that serves.
 */
import { provider } from "../record/tracepoint.ts";
import { pathOf } from "../record/text.ts";
import { enter, type Inside } from "./inside.ts";

/** Where no pattern is known. Not empty: babeltrace2 2.0.4 shows an earlier event's text for an empty one. */
export const NO_ROUTE = "(none)";

function define() {
  const server = provider("http_server");
  return {
    request: server.span(
      "request",
      [
        ["method", "string"],
        ["path", "string"],
        ["route", "string"],
      ],
      { end: [["status", "u16"]] },
    ),
    error: server.tracepoint(
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

/** Defined by the first server: a program that serves nobody has no such events. */
export function serverEvents(): ReturnType<typeof define> {
  return (defined ??= define());
}

/** A request while its handler has it. */
export interface Handling extends Inside {
  readonly request: object;
}

/**
 * Begins a request's span and goes inside; undefined where it is not recorded.
 * @param route the pattern that the path matched, as "/orders/:id", or {@link NO_ROUTE}.
 */
export function begin(request: object, method: string, url: string, route: string): Handling | undefined {
  const span = serverEvents().request;
  if (!span.enabled) return undefined;
  return enter({ id: span.begin(method, pathOf(url), route), request, span: 0, spans: undefined });
}

/** From this status on the server failed, by OpenTelemetry's conventions; below, the client did. */
const FAILURES_FROM = 500;

/** Ends a request's span: failed where the handler did, or answered that the server did. */
export function end({ id }: Handling, failed: boolean, status: number): void {
  serverEvents().request.end(id, failed || status >= FAILURES_FROM, status);
}
