/**
 * The events of the example shop: what its authors want to know beyond the built-in
 * providers. Imported by the modules of the server; recorded when it runs under
 * `buntrace record`, a flag test each otherwise.
 */
import { provider } from "../src/index.ts";

const shop = provider("shop");

/** A request, by the number that its client gave it; 0 when it gave none. */
export const requestReceived = shop.tracepoint("request_received", [
  ["request", "u32"],
  ["route", "string"],
]);

/** An order was placed. */
export const orderPlaced = shop.tracepoint("order_placed", [
  ["order", "u32"],
  ["lines", "u8"],
  ["cents", "u32"],
]);

/** An order failed, and the product was ordered anew. */
export const outOfStock = shop.tracepoint(
  "out_of_stock",
  [
    ["product", "u32"],
    ["wanted", "u16"],
    ["left", "u16"],
  ],
  { level: "warning" },
);

/** From the order's arrival until it is in the database. */
export const placeOrder = shop.span("place_order", [
  ["customer", "string"],
  ["lines", "u8"],
]);

/** A price in another currency: asks the service that knows the rates. */
export const convert = shop.span("convert", [["currency", "string"]]);

/** Requests whose handlers run. */
export const inProgress = shop.counter("requests_in_progress", "u16");
