/**
 * Serves one page to the browsers of this machine's user: on loopback, at an address that nobody can
 * guess. Runs in the command's process.
 */
import { randomBytes } from "node:crypto";

/** A page being served. */
export interface Served {
  readonly url: string;
  stop(): Promise<void>;
}

/** Serves a page until it is stopped. */
export function serve(page: Blob): Served {
  const path = `/${randomBytes(16).toString("hex")}/`;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      // Names that resolve to this address are other sites' tricks.
      const host = request.headers.get("host");
      if (host !== `127.0.0.1:${server.port}`) return new Response("wrong host", { status: 403 });
      if (request.method !== "GET" || new URL(request.url).pathname !== path)
        return new Response("not found", { status: 404 });
      return new Response(page, {
        headers: {
          "Content-Type": "text/html; charset=utf-8",
          "Cache-Control": "no-store",
          "Cross-Origin-Resource-Policy": "same-origin",
          "Referrer-Policy": "no-referrer",
          "X-Content-Type-Options": "nosniff",
          "X-Frame-Options": "DENY",
        },
      });
    },
  });
  return { url: `http://127.0.0.1:${server.port}${path}`, stop: () => server.stop(true) };
}
