/** The order of the processes in the timeline of the page. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { Model } from "../../page/model.ts";
import { makeRows } from "../../page/rows.ts";
import { openTraces } from "../../src/ctf/index.ts";
import { prepare } from "../../src/open/prepare.ts";
import { EventFilter } from "../../src/report/filter.ts";
import { cli } from "../support/cli.ts";
import { Place } from "../support/place.ts";

setDefaultTimeout(60_000);

const CHILDREN = 5;

test("processes stand in the order of their starts, whoever started others above them", async () => {
  await using place = new Place();
  const source = `
    for (let n = 1; process.argv[2] === undefined && n <= ${CHILDREN}; n++)
      Bun.spawnSync([process.execPath, "app.ts", String(n)]);`;
  writeFileSync(join(place.dir, "app.ts"), source);
  expect((await cli(place, ["record", "app.ts"])).status).toBe(0);

  const set = openTraces(join(place.dir, "buntrace.data"));
  const { bytes } = prepare(set, new EventFilter({}, set), { title: "", utc: true, limit: 1e6 });
  const model = new Model(Buffer.concat(bytes));
  const shown = makeRows(model).all.flatMap((row) => (row.kind === "process" ? [row.process] : []));
  const starts = [...set.events()].filter(({ name }) => name === "process:start");
  expect(
    shown.map((process) => Number(/\((\d+)\)$/.exec(model.header.processes[process]?.name ?? "")?.[1])),
  ).toEqual(starts.map(({ fields }) => Number(fields?.["pid"])));
  expect(starts).toHaveLength(1 + CHILDREN);
});
