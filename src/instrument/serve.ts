/**
 * Provider `http_server`: requests to `Bun.serve` (and `export default { fetch }`) as
 * spans `request`, from the handler's call until it has given its response's head;
 * what the handler does is inside. Called by the preload, in every traced thread.
 *
 * Not seen: responses that run no JavaScript (static routes), the body of a response
 * that streams, WebSocket messages, and node:http, which does not come by Bun.serve.
 */
import { isPlainPromise, spansAround } from "../record/span.ts";
import { thread } from "../record/thread.ts";
import { provider } from "../record/tracepoint.ts";
import { Failures } from "./serve-failures.ts";
import { errorText, pathOf } from "./text.ts";
import { type AroundOwn, type Callable, isCallable, replace, wrapNative, wrapOwn } from "./wrap.ts";

function defineRequest() {
  return provider("http_server").span(
    "request",
    [
      ["method", "string"],
      ["path", "string"],
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

/** Defined by the first server: a program that serves nobody has no such events. */
function requestSpan(): ReturnType<typeof defineRequest> {
  return (defined ??= defineRequest());
}

/** What Bun answers where a handler failed and there is no `error` handler. */
const FAILED_STATUS = 500;
const UPGRADED_STATUS = 101;

/** A request in a handler's hands. */
interface Handling {
  readonly id: number;
  readonly request: unknown;
  /** What was around before, for after. */
  span: number;
  spans: number | undefined;
}

/** Requests that became WebSockets. */
const upgraded = new WeakSet<object>();

/** What runs from here on, also later, is inside the request's span. */
function enter(handling: Handling): Handling {
  const storage = spansAround();
  handling.span = thread.currentSpan;
  handling.spans = storage.getStore();
  thread.currentSpan = 0;
  storage.enterWith(handling.id);
  return handling;
}

function leave(handling: Handling): void {
  thread.currentSpan = handling.span;
  // Zero is no span.
  spansAround().enterWith(handling.spans ?? 0);
}

/** The status of what a handler gave; 0 when that was no response, and Bun answers itself. */
function statusOf({ request }: Handling, result: unknown): number {
  if (result instanceof Response) return result.status;
  const isUpgrade = typeof request === "object" && request !== null && upgraded.has(request);
  return isUpgrade ? UPGRADED_STATUS : 0;
}

function begin(request: unknown): Handling | undefined {
  const span = requestSpan();
  if (!(request instanceof Request) || !span.enabled) return undefined;
  const id = span.begin(request.method, pathOf(request.url));
  return enter({ id, request, span: 0, spans: undefined });
}

/**
 * Waits for a handler's promise, if it is one.
 * @returns what Bun gets. A promise that is settled stays the one it is, so that
 *   Bun answers as soon as it would; it does not count as handled by being looked at.
 */
function settled(result: unknown, done: (value: unknown) => void, failed: (error: unknown) => void): unknown {
  if (!isPlainPromise(result)) {
    done(result);
    return result;
  }
  const state = Bun.peek.status(result);
  if (state === "fulfilled") done(Bun.peek(result));
  else if (state === "rejected") failed(Bun.peek(result));
  else
    return result.then(
      (value) => {
        done(value);
        return value;
      },
      (error: unknown) => {
        failed(error);
        throw error;
      },
    );
  return result;
}

/** Around the handlers of a server; `failures`: its requests that its `error` handler will answer, if it has one. */
function aroundHandler(failures: Failures<Handling> | undefined): AroundOwn<Handling> {
  return {
    before: (_, [request]) => begin(request),
    left(handling, threw) {
      leave(handling);
      if (!threw) return;
      if (failures) failures.threw(handling);
      else requestSpan().end(handling.id, true, FAILED_STATUS, "");
    },
    returned: (handling, result) =>
      settled(
        result,
        (value) => requestSpan().end(handling.id, false, statusOf(handling, value), ""),
        (error) => {
          if (failures) failures.rejected(handling, error);
          else requestSpan().end(handling.id, true, FAILED_STATUS, errorText(error));
        },
      ),
  };
}

/** Around a server's `error` handler: the request's span ends with the response that it gives. */
function aroundErrorHandler(failures: Failures<Handling>): AroundOwn<{ handling: Handling; text: string }> {
  const end = (id: number, status: number, text: string): void => requestSpan().end(id, true, status, text);
  return {
    before(_, [error]) {
      const handling = failures.take(error);
      return handling && { handling: enter(handling), text: errorText(error) };
    },
    left({ handling, text }, threw) {
      leave(handling);
      if (threw) end(handling.id, FAILED_STATUS, text);
    },
    returned: ({ handling, text }, result) =>
      settled(
        result,
        (value) => end(handling.id, statusOf(handling, value) || FAILED_STATUS, text),
        () => end(handling.id, FAILED_STATUS, text),
      ),
  };
}

/** A route's handlers: a function, or one a method. Everything else (a response, a page) is left as it is. */
function tracedRoute(route: unknown, around: AroundOwn<Handling>): unknown {
  if (isCallable(route)) return wrapOwn(route, around);
  if (typeof route !== "object" || route === null || route instanceof Response) return route;
  const handlers = Object.entries(route);
  if (!handlers.some(([, handler]) => isCallable(handler))) return route;
  const traced = handlers.map(([method, handler]) => [
    method,
    isCallable(handler) ? wrapOwn(handler, around) : handler,
  ]);
  return Object.assign(Object.create(Object.getPrototypeOf(route)), Object.fromEntries(traced));
}

function tracedRoutes(routes: unknown, around: AroundOwn<Handling>): unknown {
  if (typeof routes !== "object" || routes === null) return routes;
  return Object.fromEntries(
    Object.entries(routes).map(([path, route]) => [path, tracedRoute(route, around)]),
  );
}

/**
 * Options as Bun reads them, a property at a time, with traced handlers. The
 * program's object stays as it is: it may be frozen, or have getters that want it as
 * their `this`.
 */
function tracedOptions(options: unknown): unknown {
  if (typeof options !== "object" || options === null) return options;
  const span = requestSpan();
  const failures = isCallable(Reflect.get(options, "error"))
    ? new Failures<Handling>(({ id }) => span.end(id, true, 0, ""))
    : undefined;
  const around = aroundHandler(failures);
  return new Proxy(
    {},
    {
      has: (_, name) => Reflect.has(options, name),
      get(_, name) {
        const value: unknown = Reflect.get(options, name);
        if (name === "fetch") return isCallable(value) ? wrapOwn(value, around) : value;
        if (name === "routes") return tracedRoutes(value, around);
        if (name === "error" && failures && isCallable(value))
          return wrapOwn(value, aroundErrorHandler(failures));
        return value;
      },
    },
  );
}

/** Servers of one kind (with TLS or not) share a prototype. */
const instrumented = new WeakSet<object>();

function instrumentServer(server: unknown): void {
  if (typeof server !== "object" || server === null) return;
  const prototype: object = Object.getPrototypeOf(server);
  if (instrumented.has(prototype)) return;
  instrumented.add(prototype);
  replace(prototype, "reload", wrapWithOptions);
  replace(prototype, "upgrade", (original) =>
    wrapNative<object>(original, {
      before: (_, [request]) => (request instanceof Request ? request : undefined),
      thrown() {},
      returned(request, result) {
        if (result === true) upgraded.add(request);
        return result;
      },
    }),
  );
}

/** `Bun.serve` and `reload`: both take options, and return the server. */
function wrapWithOptions(original: Callable): Callable {
  return wrapNative<true>(original, {
    before(_, args) {
      if (args.length > 0) args[0] = tracedOptions(args[0]);
      return true;
    },
    thrown() {},
    returned(_, server) {
      instrumentServer(server);
      return server;
    },
  });
}

/** Replaces `Bun.serve`. */
export function instrumentServe(): void {
  replace(Bun, "serve", wrapWithOptions);
}
