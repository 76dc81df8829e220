/**
 * A program that must run where nothing can be recorded. With OPEN=1 it opens
 * sessions itself. Started by tests; ends with status 3.
 */
import "./fake-platform.ts";

import { openSession, provider } from "../../../src/index.ts";

const point = provider("test").tracepoint("point", [["n", "u32"]]);
if (process.env["OPEN"] === "1")
  for (let i = 0; i < 2; i++) {
    const session = await openSession({ output: "never made" });
    if (session.recording) throw new Error("it does record");
    point(i);
    await session.flush();
    await session.close();
  }
point(5);
if (point.enabled) throw new Error("it is enabled");
console.log("ran");
process.exitCode = 3;
