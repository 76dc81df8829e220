/**
 * What each command's help shows of its use. Read by the command line's entry; a test
 * tries that the commands and options are there.
 */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  record: [
    "buntrace record app.ts --its --own --arguments",
    "buntrace record -e 'http_server:*' -o trace bun run dev",
    "buntrace record --mode overwrite --snapshot-on-error errors app.ts",
  ],
  print: [
    "buntrace print",
    "buntrace print trace -e 'http_server:*' --since +1.5s --json",
    "buntrace print --live -e '*:error'",
  ],
  report: ["buntrace report", "buntrace report trace --by route --where 'duration > 1ms'"],
  hist: [
    "buntrace hist buntrace.data http_server:request",
    "buntrace hist buntrace.data shop:received shop:placed --by order",
  ],
  graph: ["buntrace graph", "buntrace graph trace --thread main"],
  slowest: [
    "buntrace slowest",
    "buntrace slowest trace -e http_server:request -n 20 --where 'status >= 500'",
  ],
  diff: ["buntrace diff before.data after.data"],
  info: ["buntrace info", "buntrace info trace --json"],
  export: [
    "buntrace export --to perfetto -o trace.pftrace",
    "buntrace export trace --to csv -e 'http_server:request_end' -w 'status >= 400'",
  ],
  open: ["buntrace open", "buntrace open trace --export trace.html"],
  list: ["buntrace list", "buntrace list --json"],
  enable: ["buntrace enable 4711 'http:*@info'"],
  disable: ["buntrace disable 4711 'sqlite:*'"],
  flush: ["buntrace flush 4711"],
  stop: ["buntrace stop 4711"],
  snapshot: ["buntrace snapshot 4711 -o before-the-restart"],
  recover: ["buntrace recover", "buntrace recover 4711 --discard"],
  doctor: ["buntrace doctor", "buntrace doctor -o /traces/run"],
};
