import * as assert from "uvu/assert";
import type { PciCore } from "./fabric";
import { GUEST_DEVICES, guestSuite } from "./support";

const CORES: readonly PciCore[] = [
  { kind: "axi-proxy", port: "hp", slot: 4 },
  { kind: "axi-proxy", port: "hpc", slot: 5 },
  { kind: "axi-proxy", port: "acp", slot: 6 },
  { kind: "axi-traffic-gen", port: "hpc", slot: 7 },
];

const { test, run } = guestSuite("PCI devices under the stock kernel", { cores: CORES });

test("a driver that offers a BAR as a map gives the device the name of its description", async (guest) => {
  await guest.succeed('echo "1af4 1110" > /sys/bus/pci/drivers/hilscher/new_id');
  const devices = await guest.succeed(`axiscript devices --devices ${GUEST_DEVICES}`);
  for (const { kind, port } of CORES) {
    assert.match(devices, `${kind === "axi-proxy" ? "AxiProxy" : "AxiTrafficGen"}:${port}`);
  }
  assert.match(await guest.succeed(`axiscript peek --devices ${GUEST_DEVICES} AxiProxy:hpc ID_REG`), "0xa8122081");
});

run();
