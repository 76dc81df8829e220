/**
 * Requests to servers of node:http and node:https (and to the frameworks above them)
 * as spans of the provider `http_server`, from the `request` event until the response
 * was sent or the client is gone. Called by the preload, in every traced thread; does
 * nothing in a program that does not import these modules.
 */
import { begin, end, type Handling, NO_ROUTE, serverEvents } from "./http-server.ts";
import { leave } from "./inside.ts";
import { whenImported } from "./when-imported.ts";
import { type Around, wrap } from "./wrap.ts";

/** What is used of a node request. */
interface NodeRequest {
  readonly method: string;
  readonly url: string;
}

/** What is used of a node response. */
interface NodeResponse {
  readonly statusCode: number;
  readonly writableFinished: boolean;
  once(event: string, listener: () => void): unknown;
}

function isRequest(value: unknown): value is NodeRequest {
  return (
    typeof value === "object" &&
    value !== null &&
    "method" in value &&
    typeof value.method === "string" &&
    "url" in value &&
    typeof value.url === "string"
  );
}

function isResponse(value: unknown): value is NodeResponse {
  return (
    typeof value === "object" &&
    value !== null &&
    "statusCode" in value &&
    "writableFinished" in value &&
    "once" in value &&
    typeof value.once === "function"
  );
}

const aroundEmit: Around<Handling> = {
  before(_, [event, request, response]) {
    if (event !== "request" || !isRequest(request) || !isResponse(response)) return undefined;
    if (!serverEvents().request.enabled) return undefined;
    let handling: Handling | undefined;
    // First: should it throw, nothing has begun.
    response.once("close", () => {
      if (handling) end(handling, !response.writableFinished, response.statusCode);
    });
    handling = begin(request, request.method, request.url, NO_ROUTE);
    return handling;
  },
  left: (handling) => leave(handling),
  returned: (_, result) => result,
};

/** Wraps the `emit` that all servers inherit, for them alone. */
function patch(): void {
  const { Server } = require("node:http") as typeof import("node:http");
  const prototype: { emit: unknown } = Server.prototype;
  if (Object.hasOwn(prototype, "emit")) return;
  Object.defineProperty(prototype, "emit", {
    value: wrap(Server.prototype.emit, aroundEmit),
    writable: true,
    enumerable: false,
    configurable: true,
  });
}

/** Sees to servers once one of the modules is imported. */
export function instrumentNodeHttp(): void {
  whenImported("node", "http", patch);
  whenImported("node", "https", patch);
}
