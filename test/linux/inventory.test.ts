import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Sysroot } from "../../host/linux/sysroot";
import { findUioDevice, listUioDevices } from "../../host/linux/uio";
import { devicePropertyTexts } from "../../host/linux/uio-identity";
import { type FileUser, listDevices, openDeviceRegisters } from "../../host/index";
import { widgetSysroot } from "../support/described-device";
import { rejectsWith } from "../support/expect";
import { temporaryDirectory } from "../support/temporary";

const test = suite("device inventory");

test("lists what the system says of each device, with its kind", () => {
  const options = widgetSysroot();
  const directory = join(options.sysroot, "sys/class/uio/uio0");
  writeFileSync(join(directory, "version"), "devicetree\n");
  writeFileSync(join(directory, "event"), "12\n");
  writeFileSync(join(directory, "maps/map0/name"), "widget@a0010000\n");
  symlinkSync("../../../../bus/platform/drivers/uio_pdrv_genirq", join(directory, "device/driver"));
  const [widget, mystery] = listDevices(options);
  assert.equal(widget, {
    id: "uio0",
    name: "widget",
    note: "left",
    kind: "Widget",
    description: join(options.deviceDirectories[0] ?? "", "widget.json"),
    driver: "uio_pdrv_genirq",
    driverVersion: "devicetree",
    events: 12,
    maps: [{ index: 0, physicalAddress: 0xa0010000n, lengthBytes: 0x1000, offsetBytes: 0, name: "widget@a0010000" }],
    openBy: [],
  });
  assert.equal(Object.keys(mystery ?? {}), ["id", "name", "note", "maps", "openBy"]);
});

test("tells who has a device open, and whether it is locked", async () => {
  const options = widgetSysroot();
  const users = (): readonly FileUser[] => listDevices(options)[0]?.openBy ?? [];
  const self = (locked: boolean) => [{ pid: process.pid, command: users()[0]?.command ?? "", locked }];
  const fd = openSync(join(options.sysroot, "dev/uio0"), "r");
  assert.equal(users(), self(false));
  assert.ok(users()[0]?.command);
  closeSync(fd);
  assert.equal(users(), []);
  const registers = await openDeviceRegisters("widget", options);
  assert.equal(users(), self(true));
  await registers.close();

  const child = spawn("sh", ["-c", 'exec 3<"$0"; echo ready; read line', join(options.sysroot, "dev/uio0")]);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  assert.equal(users(), [{ pid: child.pid, command: "sh", locked: false }]);
  child.stdin.end("\n");
  await new Promise((resolve) => child.once("exit", resolve));
  assert.equal(users(), []);
});

test("a system without devices, and a directory that is not there", async () => {
  assert.equal(listDevices({ sysroot: temporaryDirectory() }), []);
  await rejectsWith("ERR_AXI_USAGE", () => listDevices({ sysroot: "/nowhere/at/all" }));
});

test("texts of device-tree properties are told apart, and names do not lead elsewhere", () => {
  const { sysroot } = widgetSysroot();
  const directory = join(sysroot, "sys/class/uio/uio0/device/of_node");
  writeFileSync(join(directory, "compatible"), "acme,widget-2.0\0generic-uio\0");
  const root = new Sysroot(sysroot);
  const [device] = listUioDevices(root);
  assert.ok(device);
  assert.equal(devicePropertyTexts(root, device, "compatible"), ["acme,widget-2.0", "generic-uio"]);
  assert.equal(devicePropertyTexts(root, device, "nothing"), []);
  assert.equal(devicePropertyTexts(root, device, "../../name"), []);
});

/** A platform device that is no UIO device. */
function platformDevice(
  compatible: string,
  settings: { readonly driver?: string; readonly ofId?: string } = {},
): Sysroot {
  const sysroot = temporaryDirectory();
  const device = join(sysroot, "sys/bus/platform/devices/a0010000.AxiProxy");
  mkdirSync(join(device, "of_node"), { recursive: true });
  writeFileSync(join(device, "of_node/name"), "AxiProxy\0");
  writeFileSync(join(device, "of_node/jan-note"), "hpc\0");
  writeFileSync(join(device, "of_node/compatible"), compatible);
  if (settings.driver) symlinkSync(`../../drivers/${settings.driver}`, join(device, "driver"));
  if (settings.ofId !== undefined) {
    mkdirSync(join(sysroot, "sys/bus/platform/drivers/uio_pdrv_genirq"), { recursive: true });
    mkdirSync(join(sysroot, "sys/module/uio_pdrv_genirq/parameters"), { recursive: true });
    writeFileSync(join(sysroot, "sys/module/uio_pdrv_genirq/parameters/of_id"), `${settings.ofId}\n`);
  }
  return new Sysroot(sysroot);
}

const UNBOUND: readonly (readonly [string, Sysroot, readonly RegExp[]])[] = [
  [
    "no driver is loaded",
    platformDevice("generic-uio\0"),
    [/has it as a0010000\.AxiProxy, and no driver is bound/, /modprobe uio_pdrv_genirq of_id=generic-uio\.$/],
  ],
  [
    "the driver is loaded without of_id",
    platformDevice("generic-uio\0", { ofId: "" }),
    [/loaded without of_id=generic-uio\. modprobe -r uio_pdrv_genirq; modprobe uio_pdrv_genirq of_id=generic-uio/],
  ],
  ["the driver refused it", platformDevice("generic-uio\0", { ofId: "generic-uio" }), [/kernel's log \(dmesg\)/]],
  [
    "its node is not generic-uio",
    platformDevice("acme,proxy-1.0\0acme,proxy\0", { ofId: "generic-uio" }),
    [/must be compatible = "generic-uio"; it is "acme,proxy-1\.0", "acme,proxy"/],
  ],
  [
    "another driver has it",
    platformDevice("acme,proxy\0", { driver: "acme-proxy" }),
    [/driver acme-proxy is bound to it/, /echo a0010000\.AxiProxy > \/sys\/bus\/platform\/drivers\/acme-proxy\/unbind/],
  ],
];
for (const [what, sysroot, messages] of UNBOUND) {
  test(`opening a device for which ${what} says what to do`, async () => {
    for (const note of ["", "hpc"]) {
      const { message } = await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () => findUioDevice(sysroot, "AxiProxy", note));
      for (const expected of messages) assert.match(message, expected);
    }
  });
}

test("a device that the system does not have, or has under another name, is simply not there", async () => {
  const sysroot = platformDevice("generic-uio\0", { driver: "uio_pdrv_genirq" });
  for (const [name, note] of [
    ["AxiProxy", "hp"],
    ["Other", ""],
    ["AxiProxy", "hpc"],
  ] as const) {
    const { message } = await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () => findUioDevice(sysroot, name, note));
    assert.match(message, "is the FPGA programmed?");
  }
});

test.run();
