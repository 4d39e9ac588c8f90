import { VirtualBoard, type VirtualBoardOptions } from "../../host/board/board";
import { FpgaManager } from "../../host/linux/fpga-manager";
import { Sysroot } from "../../host/linux/sysroot";
import { awaitUioDevice, openUioWindow } from "../../host/linux/uio";
import { waitUntil } from "../../host/util/wait";
import { Gate } from "../../host/gate/gate";

/** Long enough for a machine whose cores are busy. */
export const LONG_MS = 20_000;

const TCSR = 0x00;
const TLR = 0x04;
const TINT = 1 << 8;
const RUN_ONCE = 0xc2;
const INTERVAL_CYCLES = 1000;

const FIRMWARE = "/lib/firmware/xilinx/axi_timer/axi_timer";

/** A virtual board with a timer that fires when it is told to. */
export function timerBoard(options: VirtualBoardOptions = {}) {
  const board = new VirtualBoard(options);
  const sysroot = new Sysroot(board.sysroot);
  const fpga = new FpgaManager(sysroot);
  if (!fpga.isProgrammed()) fpga.program(`${FIRMWARE}.bit.bin`, `${FIRMWARE}.dtbo`);
  const gate = new Gate();
  const open = () => {
    // Several times at once, and written to by whoever likes.
    const device = openUioWindow(sysroot, awaitUioDevice(sysroot, "AxiTimer", "", LONG_MS), { shared: true });
    return { device, window: gate.open(device) };
  };
  const { device, window } = open();
  const { read32, write32 } = gate.exports;
  const status = () => read32(window, TCSR);
  const settled = (mask: number, value: number) => {
    if (!waitUntil(() => (status() & mask) === value, LONG_MS)) throw new Error(`TCSR stays ${status()}`);
  };
  /** Stops the timer and acknowledges its interrupt. */
  const acknowledge = () => {
    write32(window, TCSR, TINT);
    settled(TINT, 0);
  };
  /** Has the timer set TINT, and with it its interrupt line. */
  const fire = () => {
    acknowledge();
    write32(window, TLR, INTERVAL_CYCLES);
    write32(window, TCSR, RUN_ONCE);
    settled(TINT, TINT);
  };
  const stop = async () => {
    gate.closeAll();
    await board.stop();
  };
  return { board, sysroot, fpga, device, interrupt: device.interrupt(), open, fire, acknowledge, stop };
}
