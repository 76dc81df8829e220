/** Starts children in every way, one after the other; prints what becomes of each. */
import { exec, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";

async function ended(...command: string[]): Promise<void> {
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe" });
  console.log(`pid ${child.pid} of ${command.join(" ")}`);
  console.log(command[0], await child.exited, child.exitCode, child.signalCode, await child.stdout.text());
}

await ended("echo", "one", "two");
await ended("false");
await ended("sh", "-c", "kill -TERM $$");
for (const command of [["/no/such/program"], [], "echo", undefined, { cmd: 5 }])
  try {
    Reflect.apply(Bun.spawn, Bun, [command]);
  } catch (error) {
    console.log(String(error));
  }
const sync = Bun.spawnSync({ cmd: ["sh", "-c", "echo sync; exit 3"] });
console.log(`pid ${sync.pid} of sh -c echo sync; exit 3`);
console.log(sync.exitCode, sync.success, String(sync.stdout));
const told = Promise.withResolvers<unknown>();
Bun.spawn({ cmd: ["true"], onExit: (_, code, signal) => told.resolve([code, signal]) });
console.log(await told.promise);

const child = spawn("echo", ["node"], { stdio: "ignore" });
console.log(`pid ${child.pid} of echo node`);
console.log(await once(child, "exit"));
console.log(String(execFileSync("echo", ["file"])));
console.log(await new Promise((resolve) => exec("exit 4", (error) => resolve(error?.code))));
const missing = spawn("/no/such/program");
console.log(String((await once(missing, "error"))[0]));

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch() {
    await Bun.sleep(1);
    return new Response(await new Response(Bun.spawn(["echo", "asked"]).stdout).text());
  },
});
console.log(await (await fetch(server.url)).text());
await server.stop();

console.log(Bun.spawn, Bun.spawn.length, Bun.spawnSync, Object.getOwnPropertyDescriptor(Bun, "spawn"));
Bun.spawn(["sleep", "5"], { stdin: "ignore", stdout: "ignore", stderr: "ignore" }).unref();
