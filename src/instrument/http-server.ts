/**
 * Provider `http_server`: a request in a handler's hands, as a span with what the
 * handler does inside. Used by serve.ts and node-http.ts, in the thread that serves.
 */
import { spansAround } from "../record/span.ts";
import { thread } from "../record/thread.ts";
import { provider } from "../record/tracepoint.ts";
import { pathOf } from "../record/text.ts";

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
export interface Handling {
  readonly id: number;
  readonly request: object;
  /** What was around before, for after. */
  span: number;
  spans: number | undefined;
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

/**
 * What runs from here on, also later, is inside the request's span. Not by `run` of
 * the span: its frame would show in the errors of handlers.
 */
export function enter(handling: Handling): Handling {
  const storage = spansAround();
  handling.span = thread.currentSpan;
  handling.spans = storage.getStore();
  thread.currentSpan = 0;
  storage.enterWith(handling.id);
  return handling;
}

/** What runs from here on is where it was before. */
export function leave(handling: Handling): void {
  thread.currentSpan = handling.span;
  // Zero is no span.
  spansAround().enterWith(handling.spans ?? 0);
}

/** From this status on the server failed, by OpenTelemetry's conventions; below, the client did. */
const FAILURES_FROM = 500;

/** Ends a request's span: failed where the handler did, or answered that the server did. */
export function end({ id }: Handling, failed: boolean, status: number): void {
  serverEvents().request.end(id, failed || status >= FAILURES_FROM, status);
}
