/** Instruments a second time, as a program that preloads the library under `buntrace record` does. */
import { instrument } from "../../../src/instrument/index.ts";

instrument("no preload");
const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("once") });
console.log(await (await fetch(server.url)).text());
await server.stop();
