/** A server that Bun starts from the default export; asks itself once, and leaves. */
const port = Number(process.env["PORT"]);

async function ask(): Promise<string> {
  for (;;) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/path`);
      return `${response.status} ${await response.text()}`;
    } catch {
      await Bun.sleep(1);
    }
  }
}

setTimeout(async () => {
  console.log(await ask());
  process.exit(0);
});

export default {
  port,
  hostname: "127.0.0.1",
  fetch(request: Request, server: Bun.Server<unknown>): Response {
    return new Response(`${this === server} ${request.method}`, { status: 418 });
  },
};
