import * as assert from "uvu/assert";
import { GUEST_PACKAGE } from "./image";
import type { StrayReports } from "./strays";
import { BIND_CORES, GUEST_DEVICES, guestSuite } from "./support";

const DEADLINE_MS = 400_000;

const { test, run } = guestSuite("transfers that go astray under the stock kernel", {
  cores: [
    { kind: "axi-proxy", port: "hpc", slot: 5 },
    { kind: "axi-traffic-gen", port: "hpc", slot: 7 },
  ],
  scripts: ["test/scripts/stray.ts"],
});

test("a transfer beside granted memory, of another process or of what was freed is refused, and no device sees it", async (guest, fabric) => {
  await guest.succeed(BIND_CORES);
  const strays = `node ${GUEST_PACKAGE}/dist/test/kernel/strays.js ${GUEST_DEVICES} stray.wasm`;
  const reports = JSON.parse(await guest.succeed(strays, { deadlineMs: DEADLINE_MS })) as StrayReports;
  for (const [kind, count] of [
    ["AxiProxy", 38],
    ["AxiTrafficGen", 51],
  ] as const) {
    const { refused, own, others } = reports[kind];
    assert.equal(others, []);
    assert.is(refused + own.length, count);
    assert.ok(own.length < count / 4, own.join("\n"));
  }
  assert.ok(reports.isForeignUnchanged);
  // Of the script's own memory: before that was freed, of either device three times, and those that came last.
  assert.equal(
    fabric.transfers.map(({ core, direction, response }) => `${core} ${direction} ${response}`),
    ["axi-proxy@5000", "axi-traffic-gen@7000"].flatMap((core) =>
      ["write", "read", "write", "write", "read"].map((direction) => `${core} ${direction} OKAY`),
    ),
  );
});

run();
