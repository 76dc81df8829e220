/** Throws inside a span, and nobody catches it. */
import { provider } from "../../../src/index.ts";

const span = provider("test").span("throws");

function fail(): void {
  throw new Error("thrown in the span");
}

setTimeout(() => {
  span.trace(() => {
    fail();
  });
}, 1);
