/** Fetches in all ways, from a server of its own and from nobody; prints what comes. */
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  routes: {
    "/redirect": Response.redirect("/ok"),
    "/slow": () => new Promise<Response>(() => {}),
  },
  fetch: async (request) => new Response(`${request.method} ${await request.text()}`, { status: 203 }),
});

/** Nobody listens there; says the same on every machine. */
const NOBODY = "http://127.0.0.1:1/nobody?token=secret";

const at = (path: string): string => new URL(path, server.url).href;
const withUser = at("/user?token=secret#part").replace("//", "//name:pass@word@");

async function ask(...args: unknown[]): Promise<void> {
  try {
    const response: Response = await Reflect.apply(fetch, undefined, args);
    console.log(
      response.status,
      response.constructor === Response,
      response.redirected,
      await response.text(),
    );
  } catch (error) {
    // A DOMException shows the line that it was made for, inside the wrapper.
    console.log(error instanceof DOMException ? String(error) : error);
  }
}

await ask(at("/string?token=secret"));
await ask(new URL(at("/url?token=secret")), { method: "post", body: "body" });
await ask(new Request(at("/request?token=secret"), { method: "DELETE" }));
await ask(new Request(at("/request")), { method: "PUT", body: "over" });
await ask(at("/redirect"));
await ask(at("/redirect"), { redirect: "manual" });
await ask(withUser);
await ask("data:text/plain,some%20data");
await ask(NOBODY);
await ask(at("/slow"), { signal: AbortSignal.abort() });
const controller = new AbortController();
setTimeout(() => controller.abort(new Error("own reason")), 5);
await ask(at("/slow"), { signal: controller.signal });
await ask("no url");
await ask();
await ask(at("/"), {
  get method() {
    throw new Error("in a getter");
  },
});
await ask({ toString: () => at("/object") });
await ask(Symbol("no url"));

console.log(
  fetch,
  fetch.name,
  fetch.length,
  Object.getOwnPropertyDescriptors(fetch),
  typeof fetch.preconnect,
);
console.log(Object.getOwnPropertyDescriptor(globalThis, "fetch"), "prototype" in fetch);
try {
  Reflect.construct(fetch, ["x"]);
} catch (error) {
  console.log(String(error));
}
const promise = fetch(at("/promise"));
console.log(promise instanceof Promise, promise.constructor === Promise);
await promise;
const [one, two] = await Promise.all([fetch(at("/1")), fetch(at("/2"))]);
console.log(await one.text(), await two.text());
await server.stop(true);

if (process.argv[2] === "unhandled") void fetch(NOBODY);
else if (process.argv[2] === "thrown") await fetch(NOBODY);
