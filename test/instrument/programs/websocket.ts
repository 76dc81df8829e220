/** A server of WebSockets and its clients, one step after the other; prints what each sees. */
import { Database } from "bun:sqlite";

const database = new Database(":memory:");
const here = { port: 0, hostname: "127.0.0.1" } as const;

type Socket = Bun.ServerWebSocket<{ readonly user: string }>;

const asked: string[] = [];
const sockets = new Set<Socket>();

const websocket = {
  idleTimeout: 30,
  open(socket) {
    sockets.add(socket);
    database.query("SELECT 1").get();
    socket.subscribe("news");
    socket.send(`welcome ${socket.data.user}`);
  },
  async message(socket, message) {
    if (message === "throw") throw new Error("a handler's");
    asked.push(`${arguments.length} ${typeof message} ${sockets.has(socket)}`);
    await Bun.sleep(1);
    database.query("SELECT 2").get();
    console.log("sent", socket.send(typeof message === "string" ? `echo ${message}` : message));
    if (message === "tell") console.log("told", socket.publish("news", "näws"));
  },
  close(socket, code, reason) {
    asked.push(`closed ${socket.data.user} ${code} ${reason} ${arguments.length}`);
  },
} satisfies Bun.WebSocketHandler<{ readonly user: string }>;

/** A client that hands on one message after the other. */
async function client(url: URL, path: string) {
  const socket = new WebSocket(new URL(path, url));
  socket.binaryType = "arraybuffer";
  const messages: string[] = [];
  let wake = (): void => {};
  socket.onmessage = ({ data }) => {
    messages.push(typeof data === "string" ? data : `${data.byteLength} bytes`);
    wake();
  };
  const next = async (): Promise<string> => {
    while (messages.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return messages.shift()!;
  };
  return { socket, next };
}

async function chat(): Promise<void> {
  const server = Bun.serve<{ readonly user: string }>({
    ...here,
    fetch(request, self) {
      const user = new URL(request.url).pathname.slice(1);
      const upgraded = self.upgrade(request, { data: { user } });
      database.query("SELECT 3").get();
      return upgraded ? undefined : new Response("no", { status: 400 });
    },
    websocket: Object.freeze(websocket),
  });
  const [ann, bob] = [await client(server.url, "/ann"), await client(server.url, "/bob")];
  console.log(await ann.next(), await bob.next());
  ann.socket.send("hällo");
  console.log(await ann.next());
  ann.socket.send(new Uint8Array(700));
  console.log(await ann.next());
  ann.socket.send("tell");
  console.log(await ann.next(), await bob.next());
  console.log("published", server.publish("news", new Uint8Array(9)), server.subscriberCount("news"));
  console.log(await ann.next(), await bob.next());
  const [first] = sockets;
  if (first) console.log(first.send, first.send.length, Object.keys(first));
  const closed = new Promise((resolve) => (ann.socket.onclose = resolve));
  ann.socket.close(4001, "enough");
  await closed;
  while (!asked.some((line) => line.startsWith("closed"))) await Bun.sleep(1);
  console.log(asked.join("\n"));
  await server.stop(true);
}

/** No `open`, no `close`: they come and go all the same. */
async function silent(): Promise<void> {
  const server = Bun.serve({
    ...here,
    fetch: (request, self) =>
      self.upgrade(request, { data: undefined }) ? undefined : new Response("no", { status: 400 }),
    websocket: {
      message(socket, message) {
        socket.close(1000, String(message));
      },
    },
  });
  const { socket } = await client(server.url, "/silent");
  await new Promise((resolve) => (socket.onopen = resolve));
  const closed = new Promise<CloseEvent>((resolve) => (socket.onclose = resolve));
  socket.send("bye");
  const { code, reason } = await closed;
  console.log(code, reason);
  await server.stop(true);
}

/** More than the client takes at once: some is kept, and told when it is gone. */
async function slow(): Promise<void> {
  const piece = new Uint8Array(2 ** 20);
  const { promise: drained, resolve } = Promise.withResolvers<string>();
  const server = Bun.serve({
    ...here,
    fetch: (request, self) =>
      self.upgrade(request, { data: undefined }) ? undefined : new Response("no", { status: 400 }),
    websocket: {
      message(socket) {
        while (socket.sendBinary(piece) > 0);
      },
      drain(socket) {
        resolve(`drained ${arguments.length} ${socket.getBufferedAmount()}`);
      },
    },
  });
  const { socket } = await client(server.url, "/slow");
  socket.onopen = () => socket.send("more");
  console.log(await drained);
  await server.stop(true);
}

/** What Bun will not take, it says as it would. */
function bad(): void {
  for (const websocket of [undefined, null, 5, {}, { message: 1 }, { message() {}, open: 1 }])
    try {
      Reflect.apply(Bun.serve, Bun, [{ ...here, fetch() {}, websocket }]).stop(true);
      console.log("taken");
    } catch (error) {
      console.log(error);
    }
}

await chat();
await silent();
await slow();
bad();
if (process.argv.includes("throw"))
  for (const message of [
    websocket.message,
    (socket: Socket, message: string | Buffer) => {
      if (message === "throw") throw new Error("at once");
      socket.send("thrown before");
    },
  ]) {
    const server = Bun.serve<{ readonly user: string }>({
      ...here,
      fetch(request, self) {
        self.upgrade(request, { data: { user: "cy" } });
      },
      websocket: { open: (socket) => void socket.send("open"), message },
    });
    const { socket, next } = await client(server.url, "/cy");
    console.log(await next());
    socket.send("throw");
    socket.send("after");
    console.log(await next());
    await server.stop(true);
  }
