/** Servers of all shapes, asked by their own program; prints every answer. */
import { AsyncLocalStorage } from "node:async_hooks";

type Server = Bun.Server<unknown>;

const here = { port: 0, hostname: "127.0.0.1", development: false } as const;

async function ask(server: Server, path: string, init?: RequestInit): Promise<void> {
  const response = await fetch(new URL(path, server.url), init);
  console.log(init?.method ?? "GET", path, response.status, JSON.stringify(await response.text()));
}

class AskedTwice extends Error {}

const user = new AsyncLocalStorage<string>();
const sharedError = new Error("one for all");

const routes = {
  "/sync": () => new Response("sync"),
  "/async": async () => new Response("async", { status: 201 }),
  "/later": async () => {
    await Bun.sleep(1);
    return new Response("later", { status: 202 });
  },
  "/static": new Response("static"),
  "/params/:id": (request: Bun.BunRequest<"/params/:id">) => Response.json(request.params),
  "/method": {
    GET: () => new Response("got"),
    POST: async (request: Request) => new Response(`posted ${await request.text()}`),
    PUT: new Response("put"),
  },
  "/throws": () => {
    throw new AskedTwice("thrown");
  },
  "/rejects": async () => {
    throw new AskedTwice("rejected");
  },
  "/rejects-later": async () => {
    await Bun.sleep(1);
    throw sharedError;
  },
  "/throws-string": () => {
    // oxlint-disable-next-line no-throw-literal -- what programs do
    throw "a string";
  },
  "/stream": () =>
    new Response(
      new ReadableStream({
        async start(controller) {
          controller.enqueue("first ");
          await Bun.sleep(2);
          controller.enqueue("second");
          controller.close();
        },
      }),
    ),
  "/generator": () =>
    new Response(
      (async function* () {
        yield "a";
        await Bun.sleep(1);
        yield "b";
      })(),
    ),
  "/own-storage": () =>
    user.run("mine", async () => {
      await Bun.sleep(1);
      return new Response(`${user.getStore()}`);
    }),
  "/broken": () => new Response("broken", { status: 500 }),
  "/class": new (class {
    GET = (): Response => new Response("own");
    POST(): Response {
      return new Response("inherited");
    }
  })(),
  "/files/*": () => new Response("a file"),
  "/redirect": () => Response.redirect("/sync"),
};

async function plain(): Promise<void> {
  const server: Server = Bun.serve({
    ...here,
    routes,
    fetch(this: Server, request, given): Response {
      return new Response(
        `${this === server} ${given === server} ${arguments.length} ${new URL(request.url).pathname}`,
        { status: 404 },
      );
    },
    error(error) {
      return new Response(`${error} ${error instanceof AskedTwice} ${arguments.length}`, { status: 503 });
    },
  });
  for (const path of Object.keys(routes)) if (!/[:*]/.test(path)) await ask(server, path);
  await ask(server, "/files/a/b");
  await ask(server, "/params/17?secret=1");
  await ask(server, "/method", { method: "POST", body: "a body" });
  await ask(server, "/method", { method: "PUT" });
  await ask(server, "/method", { method: "DELETE" });
  await ask(server, "/class", { method: "POST" });
  await ask(server, "/nowhere?secret=1");
  await Promise.all([1, 2, 3].map(() => ask(server, "/rejects-later")));
  const direct = await server.fetch(new Request("http://direct/path"));
  console.log(direct.status, await direct.text());
  server.reload({ fetch: () => new Response("reloaded") });
  await ask(server, "/reloaded");
  await server.stop();
}

async function withoutErrorHandler(): Promise<void> {
  const server = Bun.serve({
    ...here,
    routes: { "/throws": routes["/throws"], "/rejects": routes["/rejects"] },
    fetch: () => undefined as unknown as Response,
  });
  await ask(server, "/throws");
  await ask(server, "/rejects");
  await ask(server, "/nothing");
  server.reload({ fetch: () => new Response("reloaded, too") });
  await ask(server, "/reloaded");
  await server.stop();
}

async function failingErrorHandlers(): Promise<void> {
  for (const error of [
    () => {
      throw new Error("in the error handler");
    },
    async () => {
      await Bun.sleep(1);
      return new Response("late", { status: 504 });
    },
    async () => {
      throw new Error("rejected by the error handler");
    },
    () => undefined as unknown as Response,
  ]) {
    const server = Bun.serve({ ...here, fetch: routes["/throws"], error });
    await ask(server, "/");
    await server.stop();
  }
}

/** A class with private state behind its getters, as frameworks have. */
class App {
  readonly port = 0;
  readonly hostname = "127.0.0.1";
  readonly development = false;
  #greeting = "hello";
  get fetch() {
    const greeting = this.#greeting;
    return (): Response => new Response(greeting);
  }
}

async function oddOptions(): Promise<void> {
  for (const options of [new App(), Object.freeze({ ...here, fetch: () => new Response("frozen") })]) {
    const server = Bun.serve(options);
    await ask(server, "/");
    await server.stop();
  }
  for (const bad of [
    undefined,
    5,
    {},
    { fetch: 1 },
    { routes: 5 },
    { routes: { a: () => {} } },
    { error: 1 },
  ])
    try {
      Reflect.apply(Bun.serve, Bun, [bad]);
    } catch (error) {
      console.log(error);
    }
  console.log(Bun.serve, Bun.serve.name, Bun.serve.length, Object.getOwnPropertyDescriptor(Bun, "serve"));
  const { serve } = await import("bun");
  console.log(serve === Bun.serve);
}

async function webSocket(): Promise<void> {
  const server = Bun.serve({
    ...here,
    fetch(request, self) {
      return self.upgrade(request, { data: undefined }) ? undefined : new Response("no", { status: 400 });
    },
    websocket: {
      message(socket, message) {
        socket.send(`echo ${String(message)}`);
      },
    },
  });
  await ask(server, "/no-upgrade");
  const socket = new WebSocket(new URL("/upgrade", server.url));
  const { promise, resolve } = Promise.withResolvers<unknown>();
  socket.onmessage = ({ data }) => resolve(data);
  socket.onopen = () => socket.send("hi");
  console.log(await promise);
  socket.close();
  await server.stop(true);
}

await plain();
await withoutErrorHandler();
await failingErrorHandlers();
await oddOptions();
await webSocket();
