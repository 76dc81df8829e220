/**
 * Drives a real Chromium over its DevTools protocol: loads a page, looks into it, points, types, and
 * notes what it complains of and asks the network for. Runs in the test process (and in bench/ and in
 * the script that makes the README's picture).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian's package `chromium`. */
const CHROMIUM = "/usr/bin/chromium";

/** Milliseconds that anything in the page may take. */
const TIMEOUT_MS = 60_000;

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
  "--remote-debugging-port=0",
];

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** A browser with one page. `await using browser = await Browser.start()`. */
export class Browser implements AsyncDisposable {
  /** What the page complained of: messages on its console, errors, refused requests. */
  readonly complaints: string[] = [];
  /** Addresses that the page asked for. */
  readonly requests: string[] = [];
  readonly #process: Bun.Subprocess;
  readonly #profile: string;
  #socket: WebSocket | undefined;
  #session = "";
  #next = 1;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  readonly #events = new Map<string, (() => void)[]>();

  private constructor(process: Bun.Subprocess, profile: string) {
    this.#process = process;
    this.#profile = profile;
  }

  /** Starts a browser. @throws Error when Chromium is missing or does not start */
  static async start(width = 1280, height = 800): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), "buntrace-chromium-"));
    const child = Bun.spawn([CHROMIUM, ...FLAGS, `--user-data-dir=${profile}`, "about:blank"], {
      stdout: "ignore",
      stderr: "pipe",
    });
    const browser = new Browser(child, profile);
    await browser.#connect(await addressOf(child.stderr));
    await browser.resize(width, height);
    return browser;
  }

  async #connect(address: string): Promise<void> {
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(String(data)) as Reply));
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("error", () => reject(new Error("no connection to Chromium")));
    });
    const { targetInfos } = (await this.send("Target.getTargets")) as {
      targetInfos: { readonly type: string; readonly targetId: string }[];
    };
    const target = targetInfos.find(({ type }) => type === "page");
    const attached = await this.send("Target.attachToTarget", { targetId: target?.targetId, flatten: true });
    this.#session = (attached as { sessionId: string }).sessionId;
    for (const domain of ["Page", "Runtime", "Network", "Log"]) await this.send(`${domain}.enable`);
  }

  #take({ id, method, params, ...reply }: Reply): void {
    if (id !== undefined) {
      this.#waiting.get(id)?.(reply);
      this.#waiting.delete(id);
      return;
    }
    if (method === undefined) return;
    const text = JSON.stringify(params);
    if (method === "Network.requestWillBeSent") {
      this.requests.push((params as { request: { url: string } }).request.url);
    } else if (method === "Runtime.consoleAPICalled" || method === "Runtime.exceptionThrown") {
      this.complaints.push(text);
    } else if (method === "Log.entryAdded") this.complaints.push(text);
    for (const listener of this.#events.get(method)?.splice(0) ?? []) listener();
  }

  /** Sends a command of the protocol. @throws Error when the browser refuses it */
  async send(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const id = this.#next++;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    this.#waiting.set(id, resolve);
    const session = this.#session === "" ? {} : { sessionId: this.#session };
    this.#socket?.send(JSON.stringify({ id, method, params, ...session }));
    const late = setTimeout(() => resolve({ error: { message: "no answer in time" } }), TIMEOUT_MS);
    const { result, error } = await promise;
    clearTimeout(late);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  async resize(width: number, height: number, ratio = 1): Promise<void> {
    await this.send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: ratio,
      mobile: false,
    });
  }

  async setColours(scheme: "light" | "dark"): Promise<void> {
    await this.send("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: scheme }],
    });
  }

  /** Loads a page. */
  async load(url: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#events.set("Page.loadEventFired", [resolve]);
    await this.send("Page.navigate", { url });
    await promise;
  }

  /** The value of an expression in the page; promises are waited for. @throws Error that was thrown there */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = (await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })) as {
      result: { value: T };
      exceptionDetails?: { exception?: { description?: string }; text: string };
    };
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Resolves when an expression is true in the page. @throws Error when it does not come true in time */
  async until(expression: string): Promise<void> {
    const end = performance.now() + TIMEOUT_MS;
    while (!(await this.evaluate<boolean>(`Boolean(${expression})`))) {
      if (performance.now() > end) throw new Error(`did not come true in the page: ${expression}`);
      await Bun.sleep(20);
    }
  }

  /** Resolves when the page has drawn what it is to draw. */
  async drawn(): Promise<void> {
    await this.evaluate(
      "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))",
    );
  }

  async #mouse(
    type: string,
    x: number,
    y: number,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    await this.send("Input.dispatchMouseEvent", { type, x, y, ...more });
  }

  /** Moves the pointer. */
  async point(x: number, y: number): Promise<void> {
    await this.#mouse("mouseMoved", x, y);
  }

  async click(x: number, y: number): Promise<void> {
    await this.drag(x, y, x, y);
  }

  async drag(fromX: number, fromY: number, toX: number, toY: number): Promise<void> {
    const left = { button: "left", clickCount: 1 };
    await this.point(fromX, fromY);
    await this.#mouse("mousePressed", fromX, fromY, left);
    if (toX !== fromX || toY !== fromY)
      await this.#mouse("mouseMoved", toX, toY, { button: "left", buttons: 1 });
    await this.#mouse("mouseReleased", toX, toY, left);
  }

  /** Turns the wheel. @param modifiers 2: Ctrl, 8: Shift */
  async wheel(x: number, y: number, deltaY: number, modifiers = 0): Promise<void> {
    await this.#mouse("mouseWheel", x, y, { deltaX: 0, deltaY, modifiers });
  }

  /** Presses a key, by its name. */
  async key(key: string): Promise<void> {
    const text = key.length === 1 ? { text: key } : key === "Enter" ? { text: "\r" } : {};
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", key, ...text });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", key });
  }

  /** Types into what has the focus. */
  async type(text: string): Promise<void> {
    await this.send("Input.insertText", { text });
  }

  /** A picture of the page, PNG. */
  async screenshot(): Promise<Uint8Array> {
    const { data } = (await this.send("Page.captureScreenshot", { format: "png" })) as { data: string };
    return Buffer.from(data, "base64");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.close();
    this.#process.kill();
    await this.#process.exited;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The address that Chromium prints when it listens. */
async function addressOf(stderr: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream(stderr)) {
    text += decoder.decode(chunk, { stream: true });
    const [, address] = /^DevTools listening on (ws:\S+)/m.exec(text) ?? [];
    if (address !== undefined) return address;
  }
  throw new Error(`Chromium did not start: ${text}`);
}

/** A stream's chunks; it is not cancelled when the loop is left, since Chromium writes on. */
async function* stream(from: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = from.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
}
