/**
 * An example to trace: a small shop behind Bun.serve, with its data in bun:sqlite and
 * a service for exchange rates that it asks by fetch.
 *
 *     bun src/cli.ts record examples/server.ts
 *
 * PORT chooses the port (0 or none: a free one), DATABASE a file for the data. Prints
 * its URL and its process id as the first line.
 */
import { convert, inProgress, placeOrder, requestReceived } from "./events.ts";
import { type Line, OutOfStock, Shop } from "./shop.ts";

/** Products that an order can have. */
const MAX_LINES = 20;

/** Cents of another currency for a hundred of ours. */
const RATES: Readonly<Record<string, number>> = { eur: 93, gbp: 79, jpy: 14_950 };

/** A request that makes no sense; the message is for the client. */
class BadRequest extends Error {}

const shop = new Shop(process.env["DATABASE"] ?? ":memory:");

/** Counts and announces what a handler does. */
function route<R extends Request>(
  name: string,
  handle: (request: R) => Response | Promise<Response>,
): (request: R) => Promise<Response> {
  return async (request) => {
    inProgress.add();
    requestReceived(Number(request.headers.get("x-request-id") ?? 0), name);
    try {
      return await handle(request);
    } finally {
      inProgress.add(-1);
    }
  };
}

function notFound(): Response {
  return Response.json({ error: "not found" }, { status: 404 });
}

function isLine(value: unknown): value is Line {
  return (
    typeof value === "object" &&
    value !== null &&
    "product" in value &&
    Number.isInteger(value.product) &&
    "count" in value &&
    typeof value.count === "number" &&
    Number.isInteger(value.count) &&
    value.count > 0
  );
}

/** What `POST /orders` takes: `{ customer, lines: [{ product, count }] }`. */
async function parseOrder(request: Request): Promise<{ customer: string; lines: Line[] }> {
  const body: unknown = await request.json().catch(() => undefined);
  if (typeof body !== "object" || body === null) throw new BadRequest("the body is no JSON object");
  const customer = "customer" in body ? body.customer : undefined;
  const lines = "lines" in body ? body.lines : undefined;
  if (typeof customer !== "string" || customer === "") throw new BadRequest("customer is missing");
  if (!Array.isArray(lines) || lines.length < 1 || lines.length > MAX_LINES || !lines.every(isLine))
    throw new BadRequest(`lines are 1 to ${MAX_LINES} of { product, count }`);
  return { customer, lines };
}

async function createOrder(request: Request): Promise<Response> {
  const { customer, lines } = await parseOrder(request);
  try {
    const order = placeOrder.trace(() => shop.place(customer, lines), customer, lines.length);
    return Response.json(order, { status: 201 });
  } catch (error) {
    if (!(error instanceof OutOfStock)) throw error;
    for (const { product } of lines) shop.deliver(product);
    return Response.json({ error: error.message }, { status: 409 });
  }
}

async function showOrder(request: Bun.BunRequest<"/orders/:id">): Promise<Response> {
  const order = shop.order(Number(request.params.id));
  if (!order) return notFound();
  const currency = new URL(request.url).searchParams.get("currency") ?? "eur";
  const price = await convert.trace(async () => {
    const answer = await fetch(new URL(`/rates/${encodeURIComponent(currency)}`, server.url));
    if (!answer.ok) throw new BadRequest(`no rate for ${currency}`);
    return (order.cents * Number(await answer.text())) / 100;
  }, currency);
  return Response.json({ ...order, currency, price });
}

const server: Bun.Server<undefined> = Bun.serve({
  port: Number(process.env["PORT"] ?? 0),
  hostname: "127.0.0.1",
  routes: {
    "/": new Response("a shop: /products, /products/ID, /orders (POST), /orders/ID?currency=eur\n"),
    "/products": route("products", () => Response.json(shop.products())),
    "/products/:id": route("product", (request: Bun.BunRequest<"/products/:id">) => {
      const product = shop.product(Number(request.params.id));
      return product ? Response.json(product) : notFound();
    }),
    "/orders": { POST: route("create_order", createOrder) },
    "/orders/:id": route("order", showOrder),
    "/rates/:currency": (request) => {
      const rate = RATES[request.params.currency];
      return rate === undefined ? notFound() : new Response(String(rate));
    },
  },
  fetch: notFound,
  error(error) {
    if (error instanceof BadRequest) return Response.json({ error: error.message }, { status: 400 });
    console.error(error);
    return Response.json({ error: "internal error" }, { status: 500 });
  },
});

for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, async () => {
    await server.stop();
    shop.close();
    process.exit(0);
  });

console.log(server.url.href, process.pid);
