import { FpgaManager } from "../host/linux/fpga-manager";
import { Sysroot } from "../host/linux/sysroot";
import { listUDmaBufs } from "../host/linux/u-dma-buf";
import { awaitUioDevice } from "../host/linux/uio";
import { startBoard } from "../host/index";
import { cProgram } from "./baselines";
import { outputOf, percentile, type Row, rowOf } from "./measure";

const ROUNDS = 200;
const PERCENT = 99;
const FIRMWARE = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
const DEVICE_TIMEOUT_MS = 10_000;

/** How soon a board of its own does the first transfer after a second without one, while every processor is busy. */
export async function response(): Promise<Row> {
  const board = await startBoard();
  try {
    const sysroot = new Sysroot(board.sysroot);
    new FpgaManager(sysroot).program(`${FIRMWARE}.bit.bin`, `${FIRMWARE}.dtbo`);
    const { id } = awaitUioDevice(sysroot, "AxiProxy", "hpc", DEVICE_TIMEOUT_MS);
    const [buffer] = listUDmaBufs(sysroot);
    return rowOf("first transfer after a second, all processors busy", (name) => {
      const args = [sysroot.path(`/dev/${id}`), `${buffer?.physicalAddress}`, `${ROUNDS}`];
      const lines = outputOf([cProgram("response", "-pthread"), ...args])
        .trim()
        .split("\n");
      const times = lines.map((line) => line.split(" ").map(Number));
      const [value, baselineValue] = [0, 1].map((column) =>
        percentile(
          times.map((pair) => pair[column] ?? NaN),
          PERCENT,
        ),
      ) as [number, number];
      return {
        ...{ name, baseline: "a thread in C that looks every 0.5 ms", unit: "ms", runs: ROUNDS },
        ...{ value, baselineValue, ratio: value / baselineValue, aim: { valueAtMost: 2 } },
        note: `the time that ${PERCENT} of 100 do not exceed, as a program sees it that looks every 0.05 ms, in short turns`,
      };
    });
  } finally {
    await board.stop();
  }
}
