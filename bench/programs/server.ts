/**
 * The application of bench/server.ts: looks an item up in SQLite and answers with JSON;
 * four events a request, or two spans, or four log lines, as its argument says. Prints
 * its port. /events/on and /events/off switch buntrace's events, /events/random has them on
 * in every other run of requests, as chance will; all tell what was seen so far. Runs until it is killed.
 */
import { Database } from "bun:sqlite";
import { openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";

import { openSession, provider } from "../../src/index.ts";
import { readHeader } from "../../src/record/session-file.ts";
import { thread } from "../../src/record/thread.ts";

/** What a request and its query are told to; the id ties ends to begins. */
interface Observer {
  requestBegin(id: number, path: string): void;
  queryBegin(id: number, item: number): void;
  queryEnd(id: number, rows: number): void;
  requestEnd(id: number, status: number): void;
}

const ITEMS = 1000;
/** Of "items". */
const FIRST_LETTER = 105;
const nothing = (): void => {};

async function buntrace(dir: string): Promise<Observer> {
  const session = await openSession({ output: join(dir, "trace") });
  if (!session.recording) throw new Error("nothing is recorded");
  const http = provider("http");
  const sql = provider("sql");
  return {
    requestBegin: http.tracepoint("request_begin", [
      ["id", "u32"],
      ["path", "string"],
    ]),
    queryBegin: sql.tracepoint("query_begin", [
      ["id", "u32"],
      ["item", "u32"],
    ]),
    queryEnd: sql.tracepoint("query_end", [
      ["id", "u32"],
      ["rows", "u32"],
    ]),
    requestEnd: http.tracepoint("request_end", [
      ["id", "u32"],
      ["status", "u16"],
    ]),
  };
}

async function pinoWorker(dir: string): Promise<Observer> {
  const { pino } = await import("pino");
  const log = pino(pino.transport({ target: "pino/file", options: { destination: join(dir, "log") } }));
  return {
    requestBegin: (id, path) => log.info({ id, path }, "request_begin"),
    queryBegin: (id, item) => log.info({ id, item }, "query_begin"),
    queryEnd: (id, rows) => log.info({ id, rows }, "query_end"),
    requestEnd: (id, status) => log.info({ id, status }, "request_end"),
  };
}

async function openTelemetry(dir: string): Promise<Observer> {
  const { context, trace } = await import("@opentelemetry/api");
  const { BasicTracerProvider, BatchSpanProcessor } = await import("@opentelemetry/sdk-trace-base");
  const fd = openSync(join(dir, "spans"), "w");
  const tracer = new BasicTracerProvider({
    spanProcessors: [
      new BatchSpanProcessor({
        export(spans, done) {
          let lines = "";
          for (const { name, startTime, endTime, attributes } of spans)
            lines += `${JSON.stringify({ name, startTime, endTime, attributes })}\n`;
          writeSync(fd, lines);
          done({ code: 0 });
        },
        shutdown: () => Promise.resolve(),
      }),
    ],
  }).getTracer("bench");
  let request = tracer.startSpan("none");
  let query = request;
  // Handlers are synchronous: one request at a time.
  return {
    requestBegin(id, path) {
      request = tracer.startSpan("request", { attributes: { id, path } });
    },
    queryBegin(id, item) {
      query = tracer.startSpan(
        "query",
        { attributes: { id, item } },
        trace.setSpan(context.active(), request),
      );
    },
    queryEnd(_id, rows) {
      query.setAttribute("rows", rows).end();
    },
    requestEnd(_id, status) {
      request.setAttribute("status", status).end();
    },
  };
}

const observers: Readonly<Record<string, (dir: string) => Promise<Observer> | Observer>> = {
  bare: () => ({ requestBegin: nothing, queryBegin: nothing, queryEnd: nothing, requestEnd: nothing }),
  buntrace,
  pino: pinoWorker,
  "OpenTelemetry SDK": openTelemetry,
};

const [name = "bare", dir = "."] = process.argv.slice(2);
const { requestBegin, queryBegin, queryEnd, requestEnd } = await observers[name]!(dir);

const database = new Database(":memory:");
database.run("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price INTEGER)");
const insert = database.prepare("INSERT INTO item VALUES (?, ?, ?)");
for (let i = 0; i < ITEMS; i++) insert.run(i, `item ${i}`, i * 7);
const select = database.prepare("SELECT id, name, price FROM item WHERE id = ?");
let requests = 0;

/** Requests of a run: long enough for its two readings of the clock not to count, and far shorter than a phase of the machine. */
const RUN = 64;
/** Nanoseconds of a request in each run so far with events on, and with them off. */
const runs = { on: [] as number[], off: [] as number[] };
let state: keyof typeof runs | undefined;
let left = RUN;
let begun = 0;

/** What `buntrace enable` and `disable` do from outside. */
function switchEvents(to: keyof typeof runs): void {
  thread.attached?.emitter.enabled.fill(to === "on" ? 1 : 0);
}

function nextRun(): void {
  const now = Bun.nanoseconds();
  left = RUN;
  if (state === undefined) return;
  if (begun > 0) runs[state].push((now - begun) / RUN);
  state = Math.random() < 0.5 ? "on" : "off";
  switchEvents(state);
  begun = Bun.nanoseconds();
}

/** The mean of the middle of some runs: the machine's pauses are in the others. */
function middle(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b).slice(values.length * 0.05, values.length * 0.75);
  return sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
}

function item({ params, url }: Bun.BunRequest<"/items/:id">): Response {
  const id = requests++;
  if (--left === 0) nextRun();
  const path = url.slice(url.indexOf("/", 8));
  // All have the path for their own use, the bare one too: events are compared, not the making of a string.
  if (path.charCodeAt(1) !== FIRST_LETTER) return new Response(null, { status: 404 });
  requestBegin(id, path);
  const item = Number(params.id);
  queryBegin(id, item);
  const row = select.get(item);
  queryEnd(id, row === null ? 0 : 1);
  const response = Response.json(row, { status: row === null ? 404 : 200 });
  requestEnd(id, response.status);
  return response;
}

/** Processor time of the consumer so far; 0 where there is none. */
function consumerNs(): number {
  const { session } = thread as { session?: { header: Buffer } };
  const pid = session === undefined ? 0 : readHeader(session.header).consumerPid;
  return pid === 0 ? 0 : Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]);
}

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  routes: {
    "/items/:id": item,
    "/events/:state": ({ params }) => {
      state = params.state === "random" ? "off" : undefined;
      begun = 0;
      if (params.state === "on" || params.state === "off") switchEvents(params.state);
      const { on, off } = runs;
      return Response.json({
        consumer: consumerNs(),
        on: middle(on),
        off: middle(off),
        traced: on.length * RUN,
      });
    },
  },
});
console.log(server.port);
