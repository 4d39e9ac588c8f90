import * as assert from "uvu/assert";
import { readmeBlocks } from "../support/readme";
import { findings } from "./findings";
import { BIND_CORES, GUEST_DEVICES, guestSuite, WITH_EDU } from "./support";

const PROXY_ADDRESS = "0000:00:04.0";
const RUN = `axiscript run --devices ${GUEST_DEVICES} -A`;
const GROUP_TYPE = `/sys/bus/pci/devices/${PROXY_ADDRESS}/iommu_group/type`;

const { test, run } = guestSuite("an IOMMU under the stock kernel", {
  cores: [{ kind: "axi-proxy", port: "hpc", slot: 4 }],
  devices: ["intel-iommu", ...WITH_EDU.devices],
  files: WITH_EDU.files,
  bootArguments: "intel_iommu=on iommu=nopt",
  scripts: ["examples/numpy-acceleration.ts", "test/scripts/edu.ts"],
});

test("a device that moves data is refused before it is given an address, and is told how to go on", async (guest, fabric) => {
  await guest.succeed(BIND_CORES);
  assert.match(await guest.succeed(`cat ${GROUP_TYPE}`), /^DMA/);
  const { status, stdout, stderr } = await guest.run(`${RUN} numpy-acceleration.wasm`);
  assert.is(status, 1);
  assert.not.match(stdout, "INFO:AxiProxy");
  assert.match(stderr, /ERR_AXI_IOMMU: .*AxiProxy:hpc \(uio0\).*iommu_group\/type reads "DMA(-FQ)?".*iommu=pt/);
  assert.equal(fabric.transfers, []);
});

test("its registers, and a device that moves no data, can be used", async (guest) => {
  assert.match(await guest.succeed(`axiscript peek --devices ${GUEST_DEVICES} AxiProxy:hpc ID_REG`), "0xa8122081");
  const [bind = ""] = readmeBlocks("sh", "docs/devices.md");
  await guest.succeed(bind);
  assert.match(await guest.succeed(`${RUN} edu.wasm`), "factorial 3628800");
});

test("doctor names the device, and its command lets the addresses through", async (guest, fabric) => {
  const before = (await findings(guest, "axiscript doctor --json")).get("iommu");
  assert.is(before?.status, "warning");
  assert.match(before?.found ?? "", /^translates the addresses of .*\(uio0\).* reads "DMA.*iommu=pt/);
  await guest.succeed(before?.fix ?? "false");
  assert.is(await guest.succeed(`cat ${GROUP_TYPE}`), "identity\n");
  assert.match(await guest.succeed(`${RUN} numpy-acceleration.wasm`), "[100, 200, 300, 400");
  assert.is(fabric.transfers.length, 2);
  assert.is((await findings(guest, "axiscript doctor --json")).get("iommu")?.status, "ok");
});

run();
