/** Prints what was used until its first line, and until it has emitted an array (see count-uses.ts). */
const counts: unknown = Reflect.get(globalThis, "usesOfTheStart");
console.log(JSON.stringify(counts));

const { openSession, provider } = await import("../../../src/index.ts");
const values = provider("test").tracepoint("values", [["values", "i64[]"]]);
values([-5n, 7n]);
const session = await openSession();
session.snapshot(process.argv[2]);

Buffer.from([1].map(String).flatMap(String).join("").replace(/1/, "2"));
crypto.getRandomValues(new Uint8Array(1));
console.log(JSON.stringify(counts));
