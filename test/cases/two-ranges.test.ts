import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { strings } from "../../host/board/kernel/fpga/device-tree";
import { loadModels } from "../../host/board/models/model-file";
import { rejectsWith } from "../support/expect";
import { modelFile } from "../support/model-files";
import { boardDirectoryWith, onBoardWith, rootOverlay, uioNode } from "../support/overlays";
import { runText } from "../support/run-script";

const test = suite("case: a device with several register ranges");

/** Two cores of one kind: the registers of each say where it is. */
const MODEL = modelFile({
  cores: "[{ address: 0xa0120000 }, { address: 0xa0130040 }]",
  create: "({ core }) => ({ regRead: (offset) => core.address % 0x100000 + offset, regWrite() {} })",
});
const DEVICE = rootOverlay(
  [
    uioNode("b@a0120000", [
      [0xa0120000, 0x1000],
      [0xa0130040, 0x8000],
    ]),
  ],
  { "firmware-name": strings("xilinx/plain/plain.bit.bin") },
);
const SDK = `import { UioDevice } from "axiscript/assembly";\n`;

async function run(source: string, permissions = {}) {
  const sysroot = await boardDirectoryWith(DEVICE, { models: await loadModels([MODEL]) });
  return runText(SDK + source, { sysroot, models: [MODEL] }, { permissions });
}

test("a script has both ranges at once, in any order, and closes them one by one", async () => {
  const { stdout } = await run(`
    const show = (device: UioDevice): void => console.log(device.lengthBytes.toString(16) + " " + device.read32(4).toString(16));
    const second = UioDevice.openMap("b", 1);
    const first = UioDevice.open("b");
    show(first);
    show(second);
    second.close();
    show(first);
    first.close();
    show(UioDevice.openMap("b@a0120000", 1));
    show(UioDevice.openMap("uio0", 0));`);
  assert.is(stdout, "1000 20004\n8fc0 30044\n1000 20004\n8fc0 30044\n1000 20004\n");
});

test("one range is opened once, and a range that there is not is named", async () => {
  await rejectsWith("ERR_AXI_DEVICE_IN_USE", () => run(`UioDevice.openMap("b", 1); UioDevice.openMap("b", 1);`));
  const { message } = await rejectsWith("ERR_AXI_DEVICE_ACCESS", () => run(`UioDevice.openMap("b", 2);`));
  assert.match(message, "map0, map1");
  await rejectsWith("ERR_AXI_GATE", () => run(`UioDevice.open("b").read32(0x1000);`));
});

test("what no description is about needs its permission", async () => {
  const { message } = await rejectsWith("ERR_AXI_NOT_ALLOWED", () =>
    run(`UioDevice.openMap("b", 1);`, { allow: { device: ["b"] } }),
  );
  assert.match(message, "--allow-unchecked-dma=b");
});

test("a range for which a regular file has no room is left out, and the log says so", async () => {
  const device = uioNode("c@a0020000", [
    [0xa0020000, 0x2000],
    [0xa0030000, 0x1000],
  ]);
  await onBoardWith(rootOverlay([device]), (sysroot) => {
    assert.equal(readdirSync(join(sysroot, "sys/class/uio/uio0/maps")), ["map0"]);
    assert.match(readFileSync(join(sysroot, "var/log/kern.log"), "utf8"), "leaves out the registers at 0xa0030000");
  });
});

test.run();
