import * as assert from "uvu/assert";
import type { Guest } from "./guest";
import { GUEST_PACKAGE } from "./image";
import { BIND_CORES, GUEST_DEVICES, guestSuite } from "./support";

const TRANSFERS = 100_000;
const DEADLINE_MS = 400_000;
const TORTURE = `node ${GUEST_PACKAGE}/dist/test/torture/main.js --script torture.wasm --devices ${GUEST_DEVICES}`;

/** What one line of a report of the torture says. */
function numberIn(report: string, name: string): number {
  return Number(new RegExp(`\\b${name}:? (\\d+)`).exec(report)?.[1]);
}

/** Pages that the kernel has looked at for compaction, since it was booted. */
async function compacted(guest: Guest): Promise<number> {
  return Number(await guest.succeed("awk '/^compact_migrate_scanned/ { print $2 }' /proc/vmstat"));
}

const { test, run } = guestSuite("many transfers under the stock kernel", {
  cores: (["hp", "hpc", "acp"] as const).map((port, index) => ({ kind: "axi-proxy", port, slot: 4 + index })),
  scripts: ["transfers", "torture"].map((name) => `test/scripts/${name}.ts`),
});

test("a hundred thousand transfers in a row are right", async (guest) => {
  await guest.succeed(BIND_CORES);
  const command = `axiscript run -A --devices ${GUEST_DEVICES} transfers.wasm ${TRANSFERS}`;
  assert.is(await guest.succeed(command, { deadlineMs: DEADLINE_MS }), `${TRANSFERS} transfers, 0 wrong\n`);
});

// Before the torture: in memory that it has left in pieces the kernel takes up to twice as long to move a page.
for (const provocation of ["compaction", "collapse"]) {
  test(`without pins pages move by ${provocation}, so that the check can fail`, async (guest) => {
    const torture = `${TORTURE} --seconds 120 --provocations ${provocation} --pins until-moved`;
    const report = await guest.succeed(torture, { deadlineMs: DEADLINE_MS });
    assert.ok(numberIn(report, "movedPages") > 0, report);
    assert.is(numberIn(report, "forks"), 0);
  });
}

test("under compaction and collapse no byte is wrong and no page moves", async (guest) => {
  const before = await compacted(guest);
  const torture = `${TORTURE} --seconds 3 --provocations compaction,collapse,forks`;
  const compact = "while sleep 1; do echo 1 > /proc/sys/vm/compact_memory; done & compactor=$!";
  const report = await guest.succeed(`${compact}; ${torture}; status=$?; kill $compactor; exit $status`, {
    deadlineMs: DEADLINE_MS,
  });
  assert.is(numberIn(report, "wrongBytes"), 0);
  assert.is(numberIn(report, "movedPages"), 0);
  assert.ok(numberIn(report, "transfers") > 0, report);
  assert.ok(numberIn(report, "collapse") > 0, report);
  assert.ok(numberIn(report, "forks") > 0, report);
  assert.ok((await compacted(guest)) > before);
});

run();
