import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { machineWith, shortOf, treeOf, uDmaBufFiles, uioFiles } from "../support/machine";

const test = suite("findings about devices");
const EMPTY = treeOf({});
const MANAGER = "sys/class/fpga_manager/fpga0";
const USER = machineWith({}, { userId: 1000 });

test("UIO devices: their names and notes, or the driver to load", () => {
  const two = treeOf({ ...uioFiles("uio10", "Timer"), ...uioFiles("uio2", "AxiProxy", "hpc") });
  assert.is(shortOf("uio", two), "ok: AxiProxy:hpc (uio2), Timer (uio10)");
  assert.match(shortOf("uio", EMPTY), /^missing: none.* \| modprobe uio_pdrv_genirq of_id=generic-uio$/);
  const loaded = treeOf({ "sys/bus/platform/drivers/uio_pdrv_genirq/": "" });
  assert.match(
    shortOf("uio", loaded, USER),
    /^warning: none yet.* \| sudo modprobe -r uio_pdrv_genirq && sudo modprobe uio_pdrv_genirq of_id=generic-uio$/,
  );
});

test("UIO device files: there, or made by hand", () => {
  const root = treeOf({ ...uioFiles("uio0", "A"), ...uioFiles("uio1", "B"), ...uioFiles("uio2", "C") });
  assert.is(shortOf("uio-access", root), "ok: may be opened");
  assert.is(shortOf("uio-access", EMPTY), "none");
  rmSync(join(root, "dev/uio1"));
  assert.is(
    shortOf("uio-access", root, USER),
    `missing: there is no ${root}/dev/uio1 | sudo mknod -m 600 ${root}/dev/uio1 c 243 1`,
  );
});

test("the FPGA manager: its state, or the driver of the chip", () => {
  const manager = (state: string, status = "") =>
    treeOf({ [`${MANAGER}/name`]: "Xilinx\n", [`${MANAGER}/state`]: `${state}\n`, [`${MANAGER}/status`]: status });
  assert.is(shortOf("fpga-manager", manager("operating")), 'ok: Xilinx, state "operating"');
  assert.is(shortOf("fpga-manager", manager("unknown")), 'ok: Xilinx, state "unknown": not programmed yet');
  assert.match(
    shortOf("fpga-manager", manager("write error: 0x10", "reconfig CRC error\n")),
    /^warning: Xilinx, state "write error: 0x10", status "reconfig CRC error": .*refused/,
  );
  assert.is(shortOf("fpga-manager", EMPTY), "missing: none: this is no FPGA SoC that we know");
  const tree = "sys/firmware/devicetree/base/compatible";
  for (const [chip, driver] of [
    ["xlnx,zynqmp", "zynqmp-fpga"],
    ["xlnx,versal", "versal-fpga"],
    ["intel,socfpga-agilex", "stratix10-soc"],
  ] as const) {
    const board = treeOf({ [tree]: `avnet,some-board\0${chip}\0` });
    assert.match(shortOf("fpga-manager", board), new RegExp(`^missing: .* \\| modprobe ${driver}$`));
  }
  assert.match(shortOf("fpga-manager", treeOf({ [`${MANAGER}/name`]: "X\n" })), /^warning: could not be examined/);
});

test("the overlays directory: one of the two, or how to mount configfs", () => {
  for (const path of ["configfs", "sys/kernel/config"]) {
    const root = treeOf({ [`${path}/device-tree/overlays/`]: "" });
    assert.is(shortOf("overlays", root), `ok: ${root}/${path}/device-tree/overlays`);
  }
  const target = (root: string) => `mount -t configfs configfs ${root}/sys/kernel/config`;
  const unmounted = treeOf({ "sys/kernel/config/": "" });
  assert.is(shortOf("overlays", unmounted, USER), `missing: configfs is not mounted | sudo ${target(unmounted)}`);
  assert.is(shortOf("overlays", EMPTY), `missing: configfs is not loaded | modprobe configfs && ${target(EMPTY)}`);
  const withOthers = treeOf({ "sys/kernel/config/usb_gadget/": "" });
  assert.match(shortOf("overlays", withOthers), /^missing: .*CONFIG_OF_CONFIGFS$/);
  const mounts = {
    "proc/self/mounts": `proc /proc proc rw 0 0\nconfigfs ${unmounted}/sys/kernel/config configfs rw 0 0\n`,
  };
  assert.match(shortOf("overlays", unmounted, machineWith(mounts)), /^missing: .*CONFIG_OF_CONFIGFS$/);
});

test("the firmware directory: there, or made", () => {
  const root = treeOf({ "lib/firmware/": "" });
  assert.is(shortOf("firmware", root), `ok: ${root}/lib/firmware`);
  assert.is(
    shortOf("firmware", EMPTY),
    `warning: ${EMPTY}/lib/firmware is not writable (ENOENT), and programming links files into it | mkdir -p ${EMPTY}/lib/firmware`,
  );
});

test("u-dma-buf: size, address and coherence, or the driver to load", () => {
  const root = treeOf({ ...uDmaBufFiles("axi:udmabuf@0x0", true), ...uDmaBufFiles("udmabuf0", false, 65536) });
  assert.is(
    shortOf("u-dma-buf", root),
    "ok: axi:udmabuf@0x0 (32 MiB at 0x70000000, coherent), udmabuf0 (64 KiB at 0x70000000, not coherent)",
  );
  assert.is(shortOf("u-dma-buf-access", root), "ok: may be opened");
  assert.match(shortOf("u-dma-buf", EMPTY, USER), /^warning: none.* \| sudo modprobe u-dma-buf udmabuf0=33554432$/);
  assert.is(shortOf("u-dma-buf-access", EMPTY), "none");
  const broken = treeOf(uDmaBufFiles("udmabuf0", false, 0, "?"));
  assert.is(shortOf("u-dma-buf", broken), "warning: udmabuf0 shows no size or address");
  const name = "it's; odd";
  const odd = treeOf(uDmaBufFiles(name, false));
  rmSync(join(odd, "dev", name));
  const [, fix] = shortOf("u-dma-buf-access", odd, USER).split(" | ");
  assert.is(fix, `sudo chown "$(id -u)" '${odd}/dev/it'\\''s; odd'`);
});

test("the pagemap: the kernel's own, a virtual board's, or none", () => {
  assert.match(
    shortOf("pagemap", EMPTY),
    /^missing: .*\/proc\/self\/pagemap does not exist: .*CONFIG_PROC_PAGE_MONITOR$/,
  );
  const board = treeOf({ "proc/self/pagemap": "" });
  assert.match(shortOf("pagemap", board), /^ok: .* is a virtual board's/);
  const linked = treeOf({ "proc/self/": "" });
  symlinkSync("/proc/self/pagemap", join(linked, "proc/self/pagemap"));
  assert.is(shortOf("pagemap", linked), shortOf("pagemap", "/"));
});

test.run();
