/**
 * Requests to `Bun.serve` (and `export default { fetch }`) as spans of the provider
 * `http_server`, from the handler's call until it has given its response's head.
 * Called by the preload, in every traced thread.
 *
 * Not seen: responses that run no JavaScript (static routes), and the body of a response
 * that streams. WebSockets: websocket.ts.
 */
import { begin, end, type Handling, NO_ROUTE, serverEvents } from "./http-server.ts";
import { enter, leave, settled } from "./inside.ts";
import { Failures } from "./serve-failures.ts";
import { errorText } from "../record/text.ts";
import { tracedWebSocket, tracePublish } from "./websocket.ts";
import { type Around, type Callable, isCallable, readThrough, replace, wrap, wrapHandler } from "./wrap.ts";

/** What Bun answers where a handler failed and there is no `error` handler. */
const FAILED_STATUS = 500;
const UPGRADED_STATUS = 101;

/** Requests that became WebSockets. */
const upgraded = new WeakSet<object>();

/** The status of what a handler gave; 0 when that was no response, and Bun answers itself. */
function statusOf({ request }: Handling, result: unknown): number {
  if (result instanceof Response) return result.status;
  return upgraded.has(request) ? UPGRADED_STATUS : 0;
}

/** A server's handlers. */
class Handlers {
  /** Requests that the server's `error` handler will answer; undefined while it has none. */
  failures: Failures<Handling> | undefined;

  /** @param route the pattern that the handler is for; NO_ROUTE for that of all other paths. */
  around(route: string): Around<Handling> {
    return {
      before: (_, [request]) =>
        request instanceof Request ? begin(request, request.method, request.url, route) : undefined,
      left: (handling, threw) => {
        leave(handling);
        if (!threw) return;
        if (this.failures) this.failures.threw(handling);
        else end(handling, true, FAILED_STATUS);
      },
      returned: (handling, result) =>
        settled(
          result,
          (value) => end(handling, false, statusOf(handling, value)),
          (error) => {
            serverEvents().error(handling.id, errorText(error));
            if (this.failures) this.failures.rejected(handling, error);
            else end(handling, true, FAILED_STATUS);
          },
        ),
    };
  }

  /** The request's span ends with the response that the `error` handler gives. */
  readonly aroundError: Around<Handling> = {
    before: (_, [error]) => {
      const failed = this.failures?.take(error);
      if (!failed) return undefined;
      if (failed.thrown) serverEvents().error(failed.request.id, errorText(error));
      return enter(failed.request);
    },
    left: (handling, threw) => {
      leave(handling);
      if (threw) end(handling, true, FAILED_STATUS);
    },
    returned: (handling, result) =>
      settled(
        result,
        (value) => end(handling, true, statusOf(handling, value) || FAILED_STATUS),
        () => end(handling, true, FAILED_STATUS),
      ),
  };

  /** The `error` handler, as the server gets it. */
  error(handler: Callable): Callable {
    this.failures ??= new Failures((handling) => end(handling, true, 0));
    return wrapHandler(handler, this.aroundError);
  }
}

/** A route's handlers: a function, or one a method, of the route's own. Everything else (a response, a page) is left as it is. */
function tracedRoute(route: unknown, around: Around<Handling>): unknown {
  if (isCallable(route)) return wrapHandler(route, around);
  if (typeof route !== "object" || route === null || route instanceof Response) return route;
  const handlers = Object.entries(route);
  if (!handlers.some(([, handler]) => isCallable(handler))) return route;
  const traced = handlers.map(([method, handler]) => [
    method,
    isCallable(handler) ? wrapHandler(handler, around) : handler,
  ]);
  return Object.fromEntries(traced);
}

function tracedRoutes(routes: unknown, handlers: Handlers): unknown {
  if (typeof routes !== "object" || routes === null) return routes;
  return Object.fromEntries(
    Object.entries(routes).map(([path, route]) => [path, tracedRoute(route, handlers.around(path))]),
  );
}

/** The options of `Bun.serve` with traced handlers. */
function tracedOptions(options: unknown): unknown {
  if (typeof options !== "object" || options === null) return options;
  const handlers = new Handlers();
  return readThrough(options, (name, value) => {
    if (name === "routes") return tracedRoutes(value, handlers);
    if (name === "websocket") return tracedWebSocket(value);
    if (!isCallable(value)) return value;
    if (name === "fetch") return wrapHandler(value, handlers.around(NO_ROUTE));
    return name === "error" ? handlers.error(value) : value;
  });
}

/** Servers of one kind (with TLS or not) share a prototype. */
const instrumented = new WeakSet<object>();

function instrumentServer(server: unknown): void {
  if (typeof server !== "object" || server === null) return;
  const prototype: object = Object.getPrototypeOf(server);
  if (instrumented.has(prototype)) return;
  instrumented.add(prototype);
  tracePublish(prototype);
  replace(prototype, "reload", wrapWithOptions);
  replace(prototype, "upgrade", (original) =>
    wrap<object>(original, {
      before: (_, [request]) => (request instanceof Request ? request : undefined),
      left() {},
      returned(request, result) {
        if (result === true) upgraded.add(request);
        return result;
      },
    }),
  );
}

/** `Bun.serve` and `reload`: both take options, and return the server. */
function wrapWithOptions(original: Callable): Callable {
  return wrap<true>(original, {
    before(_, args) {
      if (args.length > 0) args[0] = tracedOptions(args[0]);
      return true;
    },
    left() {},
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
