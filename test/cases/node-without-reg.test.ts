import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cells, strings } from "../../host/board/kernel/fpga/device-tree";
import { rejectsWith } from "../support/expect";
import { boardDirectoryWith, rootOverlay, uioNode } from "../support/overlays";
import { runText } from "../support/run-script";

const test = suite("case: a device with an interrupt and no registers");

/** The timer's registers in one node, its interrupt in another. */
const TIMER = rootOverlay(
  [
    uioNode("timer@a0080000", [[0xa0080000, 0x1000]]),
    uioNode("line", [], { interrupts: cells(0, 89, 4) }),
    uioNode("nothing", []),
  ],
  { "firmware-name": strings("xilinx/axi_timer/axi_timer.bit.bin") },
);
const SDK = `import { UioDevice } from "axiscript/assembly";\n`;
/** TLR0 and TCSR0: ENIT, ENT0 and UDT0. */
const START = `const timer = UioDevice.open("timer");
  timer.write32(4, 1000); timer.write32(0, 0x20); timer.write32(0, 0xd2);`;

const run = async (source: string) => runText(SDK + source, { sysroot: await boardDirectoryWith(TIMER) });

test("its interrupt can be waited for, enabled and disabled", async () => {
  const { stdout } = await run(`
    const line = UioDevice.open("line");
    console.log(line.lengthBytes.toString() + " " + line.waitInterrupt(50).toString());
    ${START}
    console.log((line.waitInterrupt(10000) >= 0).toString());
    line.disableInterrupt();
    line.enableInterrupt();
    line.close();`);
  assert.is(stdout, "0 -1\ntrue\n");
});

test("a register access is an error that says what is missing", async () => {
  for (const access of ["line.read32(0)", "line.write32(0, 1)", "line.read64(0)", "line.poll32(0, 1, 1, 0)"]) {
    const { message } = await rejectsWith("ERR_AXI_GATE", () => run(`const line = UioDevice.open("line"); ${access};`));
    assert.match(message, "the device has no registers");
  }
});

test("waiting for an interrupt that a device has not is an error", async () => {
  await rejectsWith("ERR_AXI_NO_INTERRUPT", () => run(`UioDevice.open("nothing").waitInterrupt(10);`));
});

test.run();
