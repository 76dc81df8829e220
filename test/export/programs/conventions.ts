/** A server with routes and a database, asked by its own program. */
import { Database } from "bun:sqlite";

const database = new Database(":memory:");

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  routes: {
    "/db/:id": ({ params }) => Response.json(database.query("SELECT ? AS id").get(params.id)),
    "/broken": () => new Response("broken", { status: 500 }),
  },
  fetch: () => new Response("not here", { status: 404 }),
});
for (const path of ["/db/7", "/broken", "/elsewhere"]) await (await fetch(new URL(path, server.url))).text();
await server.stop(true);
