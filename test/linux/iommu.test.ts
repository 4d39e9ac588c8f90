import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Sysroot } from "../../host/linux/sysroot";
import { iommuDomainOf, refuseTranslation } from "../../host/linux/iommu";
import { openDeviceRegisters } from "../../host/index";
import { axiscript } from "../support/cli";
import { widgetSysroot, WIDGET } from "../support/described-device";
import { rejectsWith } from "../support/expect";
import { machineWith, shortOf } from "../support/machine";
import { temporaryDirectory, temporaryFile } from "../support/temporary";
import { addUioDevice } from "../support/uio-device";

const test = suite("IOMMUs");

/** Puts an IOMMU before a device, as the kernel shows it: a link from the device to its group. */
function translate(sysroot: string, id: string, type: string | undefined): void {
  const group = join(sysroot, "sys/kernel/iommu_groups/7");
  mkdirSync(group, { recursive: true });
  rmSync(join(group, "type"), { force: true });
  if (type !== undefined) writeFileSync(join(group, "type"), `${type}\n`);
  const link = join(sysroot, "sys/class/uio", id, "device/iommu_group");
  rmSync(link, { force: true });
  symlinkSync(group, link);
}

const OPEN = `import { UioDevice } from "axiscript/assembly"; UioDevice.open(process.argv[1]); console.log("opened");`;

test("a domain lets addresses through if it is the identity, and nothing else", () => {
  const { sysroot } = widgetSysroot();
  const target = new Sysroot(sysroot);
  const device = { id: "uio0", name: "widget", note: "left" };
  assert.is(iommuDomainOf(target, device), undefined);
  for (const type of ["DMA", "DMA-FQ", "blocked", "unmanaged", "", undefined]) {
    translate(sysroot, "uio0", type);
    assert.is(iommuDomainOf(target, device)?.translates, true, type);
    assert.throws(() => refuseTranslation(target, device), type === undefined ? /cannot be read/ : `reads "${type}"`);
  }
  translate(sysroot, "uio0", "identity");
  assert.is(iommuDomainOf(target, device)?.translates, false);
  refuseTranslation(target, device);
});

test("a script does not open a device that moves data behind an IOMMU that translates", async () => {
  const { sysroot, deviceDirectories } = widgetSysroot();
  const script = temporaryFile("open.ts", OPEN);
  const [directory = ""] = deviceDirectories;
  const run = (name: string, devices = directory) =>
    axiscript([
      "run",
      "--board=linux",
      "--sysroot",
      sysroot,
      "--devices",
      devices,
      "-A",
      "--allow-unchecked-dma=mystery",
      script,
      name,
    ]);
  const opens = async (name: string, devices?: string) => {
    const { status, stdout, stderr } = await run(name, devices);
    assert.is(status, 0, stderr);
    assert.is(stdout, "opened\n");
  };
  await opens("widget");
  translate(sysroot, "uio0", "DMA-FQ");
  translate(sysroot, "uio1", "DMA-FQ");
  // Nothing is known of the second, which may move data as well.
  for (const [name, found] of [
    ["widget", "widget:left (uio0)"],
    ["mystery", "mystery (uio1)"],
  ] as const) {
    const { status, stdout, stderr } = await run(name);
    assert.is(status, 1);
    assert.is(stdout, "");
    assert.match(stderr, `ERR_AXI_IOMMU: Cannot open device ${found}`);
    assert.match(stderr, `${sysroot}/sys/class/uio/${found.slice(-5, -1)}/device/iommu_group/type reads "DMA-FQ"`);
    assert.match(stderr, /iommu=pt.*iommu\.passthrough=1.*identity/);
  }
  const still = temporaryDirectory();
  writeFileSync(join(still, "widget.json"), JSON.stringify({ ...WIDGET, dma: "none" }));
  await opens("widget", still);
  translate(sysroot, "uio0", "identity");
  await opens("widget");
});

test("registers can be read by name all the same", async () => {
  const { sysroot, deviceDirectories } = widgetSysroot();
  translate(sysroot, "uio0", "DMA");
  const registers = await openDeviceRegisters("widget", { sysroot, deviceDirectories });
  assert.is(registers.read("ID")[0]?.value, 0x57494447n);
  await registers.close();
  await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () => openDeviceRegisters("nope", { sysroot, deviceDirectories }));
});

test("doctor names the devices, and the commands where the kernel shows what they need", () => {
  const sysroot = temporaryDirectory();
  addUioDevice(sysroot, "uio0", { name: "AxiProxy", note: "hpc" });
  addUioDevice(sysroot, "uio1", { name: "axi_timer" });
  assert.is(shortOf("iommu", sysroot), "none");
  translate(sysroot, "uio1", "DMA");
  assert.is(shortOf("iommu", sysroot), "ok: lets the addresses of the UIO devices through");
  translate(sysroot, "uio0", "DMA");
  assert.match(
    shortOf("iommu", sysroot),
    /^missing: translates the addresses of AxiProxy:hpc \(uio0\) \(.*type reads "DMA"\).*iommu\.passthrough=1\)$/,
  );
  const device = join(sysroot, "sys/class/uio/uio0/device");
  const place = join(sysroot, "sys/devices/platform/a0010000.AxiProxy");
  mkdirSync(place, { recursive: true });
  rmSync(device, { recursive: true });
  symlinkSync("../../../devices/platform/a0010000.AxiProxy", device);
  symlinkSync("../../../bus/platform", join(place, "subsystem"));
  symlinkSync("../../../bus/platform/drivers/uio_pdrv_genirq", join(place, "driver"));
  translate(sysroot, "uio0", "DMA");
  assert.match(
    shortOf("iommu", sysroot, machineWith({}, { userId: 1000 })),
    "| sudo sh -c 'echo a0010000.AxiProxy > /sys/bus/platform/drivers/uio_pdrv_genirq/unbind && " +
      "echo identity > /sys/kernel/iommu_groups/7/type && " +
      "echo a0010000.AxiProxy > /sys/bus/platform/drivers/uio_pdrv_genirq/bind'",
  );
  translate(sysroot, "uio0", "identity");
  assert.match(shortOf("iommu", sysroot), /^ok: /);
});

test.run();
