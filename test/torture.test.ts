import { suite } from "uvu";
import * as assert from "uvu/assert";
import { seesPageFrames, testWhere } from "./support/rights";
import { faultsOf, torture } from "./torture/torture";

const test = suite("torture");
const SECONDS = 8;
const where = testWhere(test, seesPageFrames(), "this user may not see page frame numbers");

where("under the kernel's hostility no byte is wrong, no page moves and nothing is left", async () => {
  const report = await torture({ seconds: SECONDS, pins: "on" });
  assert.equal(faultsOf(report), [], JSON.stringify(report));
  assert.ok(report.forks > 0);
  for (const [kind, transfers] of Object.entries(report.byKind)) {
    const missing = report.notes.some((note) => note.includes("could not be had"));
    assert.ok(transfers > 0 || missing, `${kind}: ${JSON.stringify(report)}`);
  }
});

where("without pins pages move, so that the check can fail", async () => {
  const report = await torture({ seconds: SECONDS, pins: "off" });
  assert.ok(report.movedPages > 0, JSON.stringify(report));
});

test.run();
