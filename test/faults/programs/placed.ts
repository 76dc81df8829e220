/** A Worker that emits one event, and stays. Started by tests that have a session open. */
import { provider } from "../../../src/index.ts";

provider("test").tracepoint("placed", [["n", "u32"]])(2);
setInterval(() => {}, 1e6);
