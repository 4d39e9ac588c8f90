import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { strings } from "../../host/board/kernel/fpga/device-tree";
import { loadModels } from "../../host/board/models/model-file";
import { Sysroot } from "../../host/linux/sysroot";
import { findUioDevice, openUioWindow } from "../../host/linux/uio";
import { Gate } from "../../host/gate/gate";
import { rejectsWith } from "../support/expect";
import { modelFile } from "../support/model-files";
import { boardDirectoryWith, onBoardWith, rootOverlay, uioNode } from "../support/overlays";
import { runText } from "../support/run-script";
import { temporaryDirectory } from "../support/temporary";
import { addUioDevice } from "../support/uio-device";

const test = suite("case: registers that are not page-aligned");

const MODEL = modelFile({
  cores: "[{ address: 0xa0110080 }]",
  create: "() => ({ regRead: (offset) => 0x1000 + offset, regWrite() {} })",
});
const CORE = rootOverlay([uioNode("core@a0110080", [[0xa0110080, 0x80]])], {
  "firmware-name": strings("xilinx/plain/plain.bit.bin"),
});

test("the board shows what the kernel shows: whole pages, and where the registers begin", async () => {
  const shown = async (address: number, lengthBytes: number) => {
    let found: string[] = [];
    await onBoardWith(rootOverlay([uioNode("x", [[address, lengthBytes]])]), (directory) => {
      const read = (name: string) => new Sysroot(directory).readText(`/sys/class/uio/uio0/maps/map0/${name}`) ?? "";
      found = ["addr", "size", "offset"].map(read);
    });
    return found;
  };
  assert.equal(await shown(0xa0010080, 0x80), ["0x00000000a0010000", "0x0000000000001000", "0x80"]);
  assert.equal(await shown(0xa0010f80, 0x100), ["0x00000000a0010000", "0x0000000000002000", "0xf80"]);
  assert.equal(await shown(0xa0010000, 0x1000), ["0x00000000a0010000", "0x0000000000001000", "0x0"]);
});

test("a script reaches the core behind the offset, and nothing before it or behind the map", async () => {
  const models = await loadModels([MODEL]);
  const sysroot = await boardDirectoryWith(CORE, { models });
  const source = `import { UioDevice } from "axiscript/assembly";
    const device = UioDevice.open("core");
    console.log(device.lengthBytes.toString() + " " + device.read32(0).toString(16) + " " + device.read32(12).toString(16));
    device.read32(device.lengthBytes);`;
  const error = await rejectsWith("ERR_AXI_GATE", () => runText(source, { sysroot, models: [MODEL] }));
  assert.match(error.message, "end at 0xf80");
});

test("the registers are the bytes from the map's offset to its end, and no page more is mapped", async () => {
  const root = temporaryDirectory();
  const registers = Buffer.alloc(0x1000);
  registers.writeUInt32LE(0x11223344, 0x80);
  registers.writeUInt32LE(0x55667788, 0xffc);
  addUioDevice(root, "uio0", { name: "core@a0010080", offset: "0x80", registers });
  const sysroot = new Sysroot(root);
  const gate = new Gate();
  const window = gate.open(openUioWindow(sysroot, findUioDevice(sysroot, "core", "")));
  assert.is(gate.lengthOf(window), 0xf80);
  assert.is(gate.exports.read32(window, 0), 0x11223344);
  assert.is(gate.exports.read32(window, 0xf7c), 0x55667788);
  gate.closeAll();
});

test("an offset that the gate cannot address, or that leaves no registers, is refused", async () => {
  for (const offset of ["0x84", "0x1000", "0xffe", "garbage", "-8"]) {
    const root = temporaryDirectory();
    addUioDevice(root, "uio0", { name: "core", offset });
    const sysroot = new Sysroot(join(root));
    const { message } = await rejectsWith("ERR_AXI_DEVICE_ACCESS", () =>
      openUioWindow(sysroot, findUioDevice(sysroot, "core", "")),
    );
    assert.match(message, offset === "0x84" ? "no multiple of 8" : "no registers");
  }
});

test.run();
