/**
 * The tracers and loggers of the comparison, as a program uses each of them. Runs in the
 * process that emits.
 */
import { dlopen, type FFIFunction } from "bun:ffi";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

import { openSession } from "../../src/index.ts";
import { bursts, texts } from "../payloads.ts";
import { sessionDirOf } from "../support.ts";

/** A peer at work. */
export interface Writer {
  /** Emits `n` events of the payload. */
  emit(n: number): void;
  /** Resolves when there is room for another burst. */
  settle(): Promise<void> | void;
  /** Ends the recording as the peer's documentation says. */
  close(): Promise<void> | void;
}

/** How a peer is measured. */
export interface Peer {
  /** Events between two pauses: no more than it takes without losing any. */
  readonly burst: number;
  readonly warmUp: number;
  readonly bursts: number;
  /** Where its events are, in the run's directory; traces are directories. */
  readonly output: string;
  /** What each event has once in a file that is no trace; a number: bytes of a record. */
  readonly mark?: RegExp | number;
  /** Starts it in a directory that is there. Payloads other than two f64 are for native tracers. */
  open(dir: string, payload: string): Promise<Writer> | Writer;
}

/** As long as LTTng's consumer needs to take a burst. */
const LTTNG_PAUSE_MS = 20;

/** The size of a buffer of our own. */
const BUFFER_BYTES = 64 * 1024;

const native = { burst: 50_000, warmUp: 30, bursts: 100 };
const script = { burst: 10_000, warmUp: 20, bursts: 40 };
const nothing = (): void => {};

/** An emit function over one that takes the event's number. */
function loop(one: (i: number) => void): (n: number) => void {
  return (n) => {
    for (let i = 0; i < n; i++) one(i);
  };
}

async function openPino(file: string, worker: boolean): Promise<Writer> {
  const { pino } = await import("pino");
  const stream = worker
    ? pino.transport({ target: "pino/file", options: { destination: file } })
    : pino.destination({ dest: file, sync: true });
  const logger = pino(stream);
  const flushed = (): Promise<void> =>
    new Promise((resolve, reject) => logger.flush((error) => (error ? reject(error) : resolve())));
  return {
    emit: loop((i) => logger.info({ a: i, b: i * 0.5 }, "two_f64")),
    settle: worker ? flushed : nothing,
    close: worker ? flushed : nothing,
  };
}

async function openSpans(file: string): Promise<Writer> {
  const { BasicTracerProvider, BatchSpanProcessor } = await import("@opentelemetry/sdk-trace-base");
  const fd = openSync(file, "w");
  const processor = new BatchSpanProcessor({
    export(spans, done) {
      let lines = "";
      for (const { name, startTime, endTime, attributes } of spans)
        lines += `${JSON.stringify({ name, startTime, endTime, attributes })}\n`;
      writeSync(fd, lines);
      done({ code: 0 });
    },
    shutdown: () => Promise.resolve(),
  });
  const provider = new BasicTracerProvider({ spanProcessors: [processor] });
  const tracer = provider.getTracer("bench");
  return {
    emit: loop((i) => tracer.startSpan("two_f64", { attributes: { a: i, b: i * 0.5 } }).end()),
    settle: () => provider.forceFlush(),
    close: () => provider.shutdown(),
  };
}

function openMarks(file: string): Writer {
  const fd = openSync(file, "w");
  const write = (entries: readonly PerformanceEntry[]): void => {
    let lines = "";
    for (const { name, startTime, detail } of entries as readonly PerformanceMark[])
      lines += `${JSON.stringify({ name, startTime, detail: detail as unknown })}\n`;
    if (lines !== "") writeSync(fd, lines);
  };
  const observer = new PerformanceObserver((list) => write(list.getEntries()));
  observer.observe({ entryTypes: ["mark"] });
  const settle = async (): Promise<void> => {
    await Bun.sleep(1);
    write(observer.takeRecords());
    performance.clearMarks();
  };
  return {
    emit: loop((i) => performance.mark("two_f64", { detail: { a: i, b: i * 0.5 } })),
    settle,
    close: settle,
  };
}

async function openTraceEvents(dir: string): Promise<Writer> {
  process.chdir(dir);
  const { createTracing } = await import("node:trace_events");
  const tracing = createTracing({ categories: ["node.console"] });
  tracing.enable();
  // The one event of this module that a program can write: its data are in the label, which is never used twice.
  let number = 0;
  return {
    emit: loop(() => {
      number++;
      console.time(`two_f64 ${number} ${number * 0.5}`);
    }),
    settle: nothing,
    close: () => tracing.disable(),
  };
}

function openLines(file: string): Writer {
  const fd = openSync(file, "w");
  let lines = "";
  const flush = (): void => {
    writeSync(fd, lines);
    lines = "";
  };
  return {
    emit: loop((i) => {
      lines += `${JSON.stringify({ time: performance.now(), name: "two_f64", a: i, b: i * 0.5 })}\n`;
      if (lines.length >= BUFFER_BYTES) flush();
    }),
    settle: nothing,
    close: () => {
      flush();
      closeSync(fd);
    },
  };
}

/** A record of openBinary: a u32, the time and two f64. */
const BINARY_BYTES = 28;

function openBinary(file: string): Writer {
  const sink = Bun.file(file).writer();
  let bytes = new Uint8Array(BUFFER_BYTES);
  let view = new DataView(bytes.buffer);
  let at = 0;
  const write = (): void => {
    void sink.write(bytes.subarray(0, at));
    bytes = new Uint8Array(BUFFER_BYTES);
    view = new DataView(bytes.buffer);
    at = 0;
  };
  return {
    emit: loop((i) => {
      if (at + BINARY_BYTES > BUFFER_BYTES) write();
      view.setUint32(at, 1, true);
      view.setFloat64(at + 4, Bun.nanoseconds(), true);
      view.setFloat64(at + 12, i, true);
      view.setFloat64(at + 20, i * 0.5, true);
      at += BINARY_BYTES;
    }),
    settle: async () => void (await sink.flush()),
    close: async () => {
      write();
      await sink.end();
    },
  };
}

function openLttng(payload: string): Writer {
  const define = <const A extends FFIFunction["args"]>(args: A) => ({ args, returns: "void" }) as const;
  const { symbols } = dlopen(process.env["BENCH_LTTNG_LIBRARY"] ?? "", {
    emit_none: define([]),
    emit_i32: define(["i32"]),
    emit_two_f64: define(["f64", "f64"]),
    emit_i32_string: define(["i32", "cstring"]),
    emit_eight: define(["i32", "f64", "u8", "u16", "i32", "f64", "u8", "u32"]),
  });
  const { emit_none, emit_i32, emit_two_f64, emit_i32_string, emit_eight } = symbols;
  const emits: Readonly<Record<string, (n: number) => void>> = {
    none: (n) => {
      for (let i = 0; i < n; i++) emit_none();
    },
    i32: (n) => {
      for (let i = 0; i < n; i++) emit_i32(i);
    },
    two_f64: (n) => {
      for (let i = 0; i < n; i++) emit_two_f64(i, i * 0.5);
    },
    i32_string: (n) => {
      for (let i = 0; i < n; i++) emit_i32_string(i, texts[i & 3]!);
    },
    eight: (n) => {
      for (let i = 0; i < n; i++) emit_eight(i, i * 0.5, i & 255, i & 65535, i, i * 0.25, i & 1, i);
    },
  };
  return { emit: emits[payload]!, settle: () => Bun.sleep(LTTNG_PAUSE_MS), close: nothing };
}

/** All that run in a process of Bun. */
export const peers: Readonly<Record<string, Peer>> = {
  buntrace: {
    ...native,
    output: "trace",
    async open(dir, payload) {
      const session = await openSession({ output: join(dir, "trace"), sessionDir: sessionDirOf(dir) });
      return { emit: bursts[payload]!(), settle: () => session.flush(), close: () => session.close() };
    },
  },
  "LTTng-UST through bun:ffi": { ...native, output: "trace", open: (_dir, payload) => openLttng(payload) },
  "binary records, FileSink": {
    ...script,
    output: "binary",
    mark: BINARY_BYTES,
    open: (dir) => openBinary(join(dir, "binary")),
  },
  "JSON lines, own buffer": {
    ...script,
    output: "lines",
    mark: /"two_f64"/g,
    open: (dir) => openLines(join(dir, "lines")),
  },
  "console.log of JSON to a file": {
    ...script,
    output: "stdout",
    mark: /"two_f64"/g,
    open: () => ({
      emit: loop((i) =>
        console.log(JSON.stringify({ time: performance.now(), name: "two_f64", a: i, b: i * 0.5 })),
      ),
      settle: nothing,
      close: nothing,
    }),
  },
  "node:trace_events": {
    ...script,
    output: "node_trace.1.log",
    mark: /two_f64/g,
    open: openTraceEvents,
  },
  "performance.mark with an observer": {
    ...script,
    output: "marks",
    mark: /"two_f64"/g,
    open: (dir) => openMarks(join(dir, "marks")),
  },
  "pino, sync": {
    ...script,
    output: "pino",
    mark: /"two_f64"/g,
    open: (dir) => openPino(join(dir, "pino"), false),
  },
  "pino, worker transport": {
    ...script,
    output: "pino",
    mark: /"two_f64"/g,
    open: (dir) => openPino(join(dir, "pino"), true),
  },
  // Its queue holds 2,048 spans.
  "OpenTelemetry span, batch processor": {
    burst: 2000,
    warmUp: 50,
    bursts: 100,
    output: "spans",
    mark: /"two_f64"/g,
    open: (dir) => openSpans(join(dir, "spans")),
  },
};
