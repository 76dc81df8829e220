/**
 * Load for the example server: a fixed mix of requests, several at a time, up to a
 * number or a time. Loopback only. Run by hand, or by the demo.
 *
 *     bun examples/load.ts URL [--requests N] [--seconds S] [--concurrency C]
 */
import { parseArgs } from "node:util";

/** How much load, and who is told. */
export interface LoadOptions {
  /** Requests in all. Default 10 000. */
  readonly requests?: number;
  /** Seconds after which no request is begun. Default 10. */
  readonly seconds?: number;
  /** Requests at a time. Default 16. */
  readonly concurrency?: number;
  /** Called for each request that was answered to the end. */
  readonly onAnswer?: (answer: Answer) => void;
}

/** A request that was answered, by its number, from 1. */
export interface Answer {
  readonly request: number;
  readonly status: number;
}

/** What came of it. */
export interface LoadResult {
  readonly answered: readonly Answer[];
  /** Requests begun and not answered: the server went away. */
  readonly unanswered: number;
  readonly seconds: number;
}

const LOOPBACK = new Set(["127.0.0.1", "[::1]", "localhost"]);

/** Every tenth request asks for an order, three place one, the others look at products. */
function send(base: URL, request: number): Promise<Response> {
  const headers = { "x-request-id": String(request) };
  const product = (request % 11) + 1;
  switch (request % 10) {
    case 0:
      return fetch(new URL(`/orders/${Math.ceil(request / 10)}?currency=gbp`, base), { headers });
    case 3:
    case 5:
    case 8: {
      const lines = [
        { product: (request % 10) + 1, count: 1 },
        { product: (request % 7) + 1, count: 2 },
      ];
      const body = JSON.stringify({ customer: `customer ${request % 100}`, lines });
      return fetch(new URL("/orders", base), { method: "POST", headers, body });
    }
    case 7:
      return fetch(new URL("/products", base), { headers });
    default:
      return fetch(new URL(`/products/${product}`, base), { headers });
  }
}

/**
 * Sends requests until the number or the time is reached, or the server is gone.
 * @throws Error when the URL is not of this machine.
 */
export async function load(url: string, options: LoadOptions = {}): Promise<LoadResult> {
  const { requests = 10_000, seconds = 10, concurrency = 16, onAnswer } = options;
  const base = new URL(url);
  if (!LOOPBACK.has(base.hostname)) throw new Error(`${url} is not on this machine`);
  const answered: Answer[] = [];
  const start = performance.now();
  let begun = 0;
  let gone = false;
  const lane = async (): Promise<void> => {
    while (!gone && begun < requests && performance.now() - start < seconds * 1000) {
      const request = ++begun;
      try {
        const response = await send(base, request);
        await response.arrayBuffer();
        const answer = { request, status: response.status };
        answered.push(answer);
        onAnswer?.(answer);
      } catch {
        gone = true;
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return {
    answered,
    unanswered: begun - answered.length,
    seconds: (performance.now() - start) / 1000,
  };
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      requests: { type: "string", default: "10000" },
      seconds: { type: "string", default: "10" },
      concurrency: { type: "string", default: "16" },
    },
  });
  const numbers = [values.requests, values.seconds, values.concurrency].map(Number);
  const [url] = positionals;
  if (url === undefined || positionals.length > 1 || !numbers.every((number) => number > 0)) {
    console.error("usage: bun examples/load.ts URL [--requests N] [--seconds S] [--concurrency C]");
    process.exit(2);
  }
  const [requests = 1, seconds = 1, concurrency = 1] = numbers;
  const result = await load(url, { requests, seconds, concurrency });
  const statuses = new Map<number, number>();
  for (const { status } of result.answered) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  console.log(
    JSON.stringify({
      answered: result.answered.length,
      unanswered: result.unanswered,
      seconds: Number(result.seconds.toFixed(3)),
      statuses: Object.fromEntries(statuses),
    }),
  );
}
