/**
 * Provider `websocket`: the WebSockets of `Bun.serve`, each call of a handler as a span
 * with what it does inside, and what is sent as events. Called by serve.ts, in the thread
 * that serves. A socket's number is its own in its thread; the request that became it is
 * the span around its `open`.
 */
import type { Span } from "../record/span.ts";
import { cut } from "../record/text.ts";
import { provider } from "../record/tracepoint.ts";
import { enter, type Inside, leave, settled } from "./inside.ts";
import { type Around, type Callable, isCallable, readThrough, replace, wrap, wrapHandler } from "./wrap.ts";

function define() {
  const websocket = provider("websocket");
  const socket = ["socket", "u32"] as const;
  const bytes = ["bytes", "u32"] as const;
  // As `send` returned it: bytes sent, 0 dropped, -1 kept until the client takes more.
  const result = ["result", "i32"] as const;
  return {
    open: websocket.span("open", [socket]),
    message: websocket.span("message", [socket, bytes]),
    drain: websocket.span("drain", [socket]),
    close: websocket.span("close", [socket, ["code", "u16"]]),
    send: websocket.tracepoint("send", [socket, bytes, result]),
    publish: websocket.tracepoint("publish", [["topic", "string"], bytes, result]),
  };
}

let defined: ReturnType<typeof define> | undefined;

/** Defined by the first server that takes WebSockets. */
function events(): ReturnType<typeof define> {
  return (defined ??= define());
}

const numbers = new WeakMap<object, number>();
let lastNumber = 0;

function numberOf(socket: unknown): number {
  if (typeof socket !== "object" || socket === null) return 0;
  let number = numbers.get(socket);
  if (number === undefined) {
    number = ++lastNumber;
    numbers.set(socket, number);
    traceSends(Object.getPrototypeOf(socket));
  }
  return number;
}

/** Bytes of a message: of text, as UTF-8. */
function bytesOf(message: unknown): number {
  if (typeof message === "string") return Buffer.byteLength(message);
  if (typeof message !== "object" || message === null) return 0;
  return "byteLength" in message && typeof message.byteLength === "number" ? message.byteLength : 0;
}

/** A handler's call inside a span, until what it returned is settled. */
function inSpan(
  span: () => Pick<Span<readonly []>, "enabled" | "end">,
  begin: (args: readonly unknown[]) => number,
): Around<Inside> {
  const end = (id: number, failed: boolean): void => span().end(id, failed);
  return {
    before: (_, args) => (span().enabled ? enter({ id: begin(args), span: 0, spans: undefined }) : undefined),
    left(inside, threw) {
      leave(inside);
      if (threw) end(inside.id, true);
    },
    returned: ({ id }, result) =>
      settled(
        result,
        () => end(id, false),
        () => end(id, true),
      ),
  };
}

const handlers: ReadonlyMap<PropertyKey, Around<Inside>> = new Map([
  [
    "open",
    inSpan(
      () => events().open,
      ([socket]) => events().open.begin(numberOf(socket)),
    ),
  ],
  [
    "message",
    inSpan(
      () => events().message,
      ([socket, message]) => events().message.begin(numberOf(socket), bytesOf(message)),
    ),
  ],
  [
    "drain",
    inSpan(
      () => events().drain,
      ([socket]) => events().drain.begin(numberOf(socket)),
    ),
  ],
  [
    "close",
    inSpan(
      () => events().close,
      ([socket, code]) => events().close.begin(numberOf(socket), Number(code)),
    ),
  ],
]);

/** Where the program has no such handler: its sockets are seen to come and go all the same. */
const ALWAYS: ReadonlySet<PropertyKey> = new Set(["open", "close"]);

/** The option `websocket` with traced handlers. */
export function tracedWebSocket(options: unknown): unknown {
  if (typeof options !== "object" || options === null) return options;
  events();
  return readThrough(options, (name, value) => {
    const around = handlers.get(name);
    if (around === undefined) return value;
    if (isCallable(value)) return wrapHandler(value, around);
    return value === undefined && ALWAYS.has(name) ? wrapHandler(() => {}, around) : value;
  });
}

let sendsTraced = false;

/** Sockets of all servers share a prototype. */
function traceSends(prototype: object): void {
  if (sendsTraced) return;
  sendsTraced = true;
  for (const name of ["send", "sendText", "sendBinary"])
    replace(prototype, name, (original) =>
      wrap<{ socket: number; bytes: number }>(original, {
        before: (self, [message]) =>
          events().send.enabled ? { socket: numberOf(self), bytes: bytesOf(message) } : undefined,
        left() {},
        returned({ socket, bytes }, result) {
          events().send(socket, bytes, Number(result));
          return result;
        },
      }),
    );
  tracePublish(prototype);
}

/** What a server, or a socket, publishes to the subscribers of a topic. */
export function tracePublish(prototype: object): void {
  const around: Around<readonly unknown[]> = {
    before: (_, args) => (events().publish.enabled ? args : undefined),
    left() {},
    returned([topic, message], result) {
      events().publish(cut(String(topic)), bytesOf(message), Number(result));
      return result;
    },
  };
  const traced = (original: Callable): Callable => wrap(original, around);
  for (const name of ["publish", "publishText", "publishBinary"]) replace(prototype, name, traced);
}
