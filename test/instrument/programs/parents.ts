/** A server whose requests overlap, each with a query, a fetch and a span of its own inside. */
import { Database } from "bun:sqlite";

import { provider } from "../../../src/index.ts";

const REQUESTS = 40;

const test = provider("test");
const work = test.span("work", [["n", "u32"]]);
const step = test.span("step", [["n", "u32"]]);
const asked = test.span("asked", [["n", "u32"]]);

const database = new Database(":memory:");
const query = database.query<{ n: number }, [number]>("SELECT ?1 AS n");

const inner = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: async (request) => {
    await Bun.sleep(1);
    return new Response(new URL(request.url).pathname);
  },
});

async function handle(n: number): Promise<Response> {
  await Bun.sleep(n % 7);
  const row = work.trace(() => {
    using _ = step.enter(n);
    return query.get(n);
  }, n);
  await new Promise((resolve) => setTimeout(resolve, n % 5));
  const answer = await fetch(new URL(`/inner/${n}`, inner.url));
  return new Response(`${row?.n} ${await answer.text()}`);
}

const outer = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  routes: { "/outer/:n": (request) => handle(Number(request.params.n)) },
});

const numbers = Array.from({ length: REQUESTS }, (_, n) => n);
const answers = await Promise.all(
  numbers.map((n) =>
    asked.trace(async () => {
      const response = await fetch(new URL(`/outer/${n}`, outer.url));
      return response.text();
    }, n),
  ),
);
console.log(answers.join("\n"));
const direct = asked.trace(() => {
  const answer = inner.fetch(new Request("http://direct/inner/5000"));
  step.enter(5000)[Symbol.dispose]();
  return answer;
}, 5000);
await direct;
const own = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: () => {
    step.enter(6000)[Symbol.dispose]();
    return new Response();
  },
});
{
  using _ = asked.enter(6000);
  void own.fetch(new Request("http://direct/own/6000"));
  step.enter(6001)[Symbol.dispose]();
}
await own.stop();
database.transaction(() => query.get(1000))();
database.function("called", (n: number) => work.trace(() => n, n));
database.run("SELECT called(2000)");
await Promise.all([outer.stop(), inner.stop()]);
