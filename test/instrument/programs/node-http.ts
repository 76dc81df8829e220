/** A server of node:http, asked by its own program; prints every answer. */
import { AsyncLocalStorage } from "node:async_hooks";
import http from "node:http";
import https from "node:https";

import { provider } from "../../../src/index.ts";

const work = provider("test").span("work", [["n", "u32"]]);
const user = new AsyncLocalStorage<string>();

const closed = Promise.withResolvers<unknown>();

const statuses: Readonly<Record<string, number>> = { "/missing": 404, "/broken": 500 };

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "", "http://host");
  if (pathname === "/hang") {
    response.on("close", () => closed.resolve(response.writableFinished));
    return;
  }
  if (pathname === "/own-storage") {
    user.run("mine", () => setTimeout(() => response.end(user.getStore()), 1));
    return;
  }
  const n = Number(pathname.split("/")[2] ?? 0);
  setTimeout(
    () =>
      work.trace(() => {
        response.writeHead(statuses[pathname] ?? 200, { "x-n": String(n) });
        response.write("first ");
        response.end(`${request.method} ${pathname}`);
      }, n),
    n % 5,
  );
});

async function ask(url: string, init?: RequestInit): Promise<string> {
  const response = await fetch(url, init);
  return `${response.status} ${response.headers.get("x-n")} ${await response.text()}`;
}

server.listen(0, "127.0.0.1", async () => {
  const address = server.address();
  const base = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  console.log(await ask(`${base}/plain?token=secret`));
  console.log(await ask(`${base}/missing`, { method: "POST", body: "body" }));
  console.log(await ask(`${base}/broken`));
  console.log(await ask(`${base}/own-storage`));
  const numbers = Array.from({ length: 20 }, (_, n) => n);
  console.log(await Promise.all(numbers.map((n) => ask(`${base}/n/${n}`))));
  const controller = new AbortController();
  const hanging = fetch(`${base}/hang`, { signal: controller.signal });
  setTimeout(() => controller.abort(), 20);
  console.log(await hanging.catch(({ name }) => name));
  console.log(await closed.promise);
  console.log(
    server.emit("nothing"),
    server.emit("own", 1),
    server.eventNames(),
    server.listenerCount("request"),
  );
  console.log(server.emit, server.emit.name, server.emit.length, Object.keys(http.Server.prototype));
  console.log(https.Server.prototype.emit.name, Object.keys(https.Server.prototype));
  server.close();
});
server.on("own", function (this: unknown, value) {
  console.log("own", value, this === server);
});
