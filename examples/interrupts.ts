/**
 * Interrupts: a timer in the FPGA fires every millisecond, and the script waits for it.
 */
import { AxiTimer, FpgaManager, UioDevice } from "axiscript/assembly";

const firmware = "/lib/firmware/xilinx/axi_timer/axi_timer";
const fpga = new FpgaManager();
if (fpga.isProgrammed()) fpga.remove();
fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");

const CYCLES_PER_MS: u32 = 100_000;
const device = UioDevice.open("AxiTimer");
const timer = new AxiTimer(device);

// Every interrupt disables itself, also one that an earlier user has left.
device.enableInterrupt();
timer.start(CYCLES_PER_MS);
for (let i = 1; i <= 5; i++) {
  if (device.waitInterrupt(1000) < 0) throw new Error("no interrupt within a second");
  // First the device lets go of its interrupt line; then the interrupt may come again.
  timer.acknowledge();
  device.enableInterrupt();
  console.log("interrupt " + i.toString());
}
timer.stop();

console.log(device.waitInterrupt(20) < 0 ? "and no more" : "one that was under way");
