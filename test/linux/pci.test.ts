import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DeviceCatalog } from "../../host/linux/catalog";
import { allowBusMastering, enableLineInterrupt } from "../../host/linux/pci";
import { Sysroot } from "../../host/linux/sysroot";
import { findUioDevice, listUioDevices, openUioWindow } from "../../host/linux/uio";
import { Gate } from "../../host/gate/gate";
import { rejectsWith } from "../support/expect";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("PCI devices");

const COMMAND = 4;
const [MEMORY, BUS_MASTER, INTERRUPT_DISABLE] = [1 << 1, 1 << 2, 1 << 10];

/** A PCI function as sysfs shows it: BAR 0 has 4 KiB, BAR 2 has 256 bytes in the middle of a page, BAR 1 is of ports. */
function addFunction(root: string, address: string, id: string): string {
  const directory = join(root, "sys/bus/pci/devices", address);
  mkdirSync(directory, { recursive: true });
  const [vendor = "", device = ""] = id.split(":");
  writeFileSync(join(directory, "vendor"), `0x${vendor}\n`);
  writeFileSync(join(directory, "device"), `0x${device}\n`);
  const ranges = [
    "0x00000000fea00000 0x00000000fea00fff 0x0000000000040200",
    "0x000000000000c000 0x000000000000c01f 0x0000000000040101",
    "0x00000000feb00100 0x00000000feb001ff 0x0000000000040200",
    ...Array<string>(10).fill("0x0000000000000000 0x0000000000000000 0x0000000000000000"),
  ];
  writeFileSync(join(directory, "resource"), `${ranges.join("\n")}\n`);
  writeFileSync(join(directory, "config"), Buffer.alloc(64));
  writeFileSync(join(directory, "resource0"), Buffer.alloc(4096, 0x11));
  writeFileSync(join(directory, "resource2"), Buffer.alloc(4096, 0x22));
  return directory;
}

/** The UIO device of a function. */
function bind(
  root: string,
  address: string,
  uio: string,
  map?: { readonly addr: string; readonly size: string },
): void {
  const directory = join(root, "sys/class/uio", uio);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "name"), "uio_pci_generic\n");
  symlinkSync(`../../../bus/pci/devices/${address}`, join(directory, "device"));
  mkdirSync(join(root, "dev"), { recursive: true });
  writeFileSync(join(root, "dev", uio), Buffer.alloc(3 * 4096, 0x33));
  if (!map) return;
  mkdirSync(join(directory, "maps/map1"), { recursive: true });
  for (const [name, text] of Object.entries({ ...map, offset: "0x0" })) {
    writeFileSync(join(directory, "maps/map1", name), `${text}\n`);
  }
}

function catalogWith(...pci: object[]): DeviceCatalog {
  const text = JSON.stringify({
    ...{ kind: "Edu", summary: "Teaches.", match: { pci }, dma: "none" },
    registers: [{ name: "ID", offset: 0, access: "RO" }],
  });
  const file = temporaryFile("edu.json", text);
  return new DeviceCatalog([join(file, "..")]);
}

function commandOf(directory: string): number {
  return readFileSync(join(directory, "config")).readUInt16LE(COMMAND);
}

test("a described device has its kind's name, the description's note, and the BAR as its registers", () => {
  const root = temporaryDirectory();
  const sysroot = new Sysroot(root);
  for (const [index, address] of ["0000:00:04.0", "0000:00:05.0"].entries()) {
    addFunction(root, address, "1234:11e8");
    bind(root, address, `uio${index}`);
  }
  const catalog = catalogWith(
    { id: "1234:11e8", bar: 2 },
    { id: "1234:11e8", bar: 0, address: "0000:00:05.0", note: "right" },
  );
  const devices = listUioDevices(sysroot, catalog);
  assert.equal(
    devices.map(({ id, name, note, maps: [map] }) => [id, name, note, map?.physicalAddress, map?.lengthBytes]),
    [
      ["uio0", "Edu", "", 0xfeb00100n, 0x100],
      ["uio1", "Edu", "right", 0xfea00000n, 0x1000],
    ],
  );
  assert.is(findUioDevice(sysroot, "Edu", "right", catalog).id, "uio1");
  assert.equal(
    devices.map((device) => catalog.describe(sysroot, device)?.kind),
    ["Edu", "Edu"],
  );
});

test("a BAR that the driver offers is mapped through its device, another one through the bus", () => {
  const read = (map: Parameters<typeof bind>[3], bar: number) => {
    const root = temporaryDirectory();
    addFunction(root, "0000:00:04.0", "1234:11e8");
    bind(root, "0000:00:04.0", "uio0", map);
    const sysroot = new Sysroot(root);
    const catalog = catalogWith({ id: "1234:11e8", bar });
    const gate = new Gate();
    const window = gate.open(openUioWindow(sysroot, findUioDevice(sysroot, "Edu", "", catalog)));
    const value = gate.exports.read32(window, 0);
    const length = gate.lengthOf(window);
    gate.closeAll();
    return [value, length];
  };
  const offered = { addr: "0x00000000fea00000", size: "0x0000000000001000" };
  assert.equal(read(offered, 0), [0x33333333, 4096]);
  assert.equal(read(undefined, 0), [0x11111111, 4096]);
  assert.equal(read({ ...offered, addr: "0x00000000fec00000" }, 0), [0x11111111, 4096]);
  assert.equal(read(offered, 2), [0x22222222, 256]);
});

test("an id finds a device, described or not", async () => {
  const root = temporaryDirectory();
  addFunction(root, "0000:00:04.0", "1234:11e8");
  bind(root, "0000:00:04.0", "uio0");
  const sysroot = new Sysroot(root);
  const described = catalogWith({ id: "1234:11E8", bar: 0 });
  assert.is(findUioDevice(sysroot, "pci:1234:11e8", "", described).name, "Edu");
  for (const [name, note] of [
    ["pci:1234:11E8", ""],
    ["pci", "1234:11e8"],
  ] as const) {
    const found = findUioDevice(sysroot, name, note, new DeviceCatalog());
    assert.equal([found.id, found.name, found.note], ["uio0", "pci", "1234:11e8"]);
    assert.is(found.maps[0]?.physicalAddress, 0xfea00000n);
  }
  await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () => findUioDevice(sysroot, "pci:1234:11e9", "", described));
});

test("a BAR that a device does not have, or that is of ports, cannot be mapped", async () => {
  const root = temporaryDirectory();
  addFunction(root, "0000:00:04.0", "1234:11e8");
  bind(root, "0000:00:04.0", "uio0");
  const sysroot = new Sysroot(root);
  for (const bar of [1, 3]) {
    const device = findUioDevice(sysroot, "Edu", "", catalogWith({ id: "1234:11e8", bar }));
    const { message } = await rejectsWith("ERR_AXI_DEVICE_ACCESS", () => openUioWindow(sysroot, device));
    assert.match(message, "no registers");
  }
});

test("opening lets the device answer, and the command register keeps its other bits", () => {
  const root = temporaryDirectory();
  const directory = addFunction(root, "0000:00:04.0", "1234:11e8");
  bind(root, "0000:00:04.0", "uio0");
  const before = Buffer.alloc(64);
  before.writeUInt16LE(0x0141, COMMAND);
  writeFileSync(join(directory, "config"), before);
  const sysroot = new Sysroot(root);
  const device = findUioDevice(sysroot, "Edu", "", catalogWith({ id: "1234:11e8", bar: 0 }));
  const gate = new Gate();
  gate.open(openUioWindow(sysroot, device));
  assert.is(commandOf(directory), 0x0141 | MEMORY);
  const { pci } = device;
  assert.ok(pci);
  allowBusMastering(sysroot, pci);
  assert.is(commandOf(directory), 0x0141 | MEMORY | BUS_MASTER);
  enableLineInterrupt(sysroot, pci, false);
  assert.is(commandOf(directory), 0x0141 | MEMORY | BUS_MASTER | INTERRUPT_DISABLE);
  enableLineInterrupt(sysroot, pci, true);
  assert.is(commandOf(directory), 0x0141 | MEMORY | BUS_MASTER);
  gate.closeAll();
});

test("a device without a UIO driver is refused with what binds one", async () => {
  const root = temporaryDirectory();
  const directory = addFunction(root, "0000:00:04.0", "1234:11e8");
  const sysroot = new Sysroot(root);
  const catalog = catalogWith({ id: "1234:11e8", bar: 0 });
  for (const name of ["Edu", "pci:1234:11e8"]) {
    const { message } = await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () => findUioDevice(sysroot, name, "", catalog));
    assert.match(message, "modprobe uio_pci_generic; echo 1234 11e8 > /sys/bus/pci/drivers/uio_pci_generic/new_id");
  }
  symlinkSync("../../drivers/other", join(directory, "driver"));
  const { message } = await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () => findUioDevice(sysroot, "Edu", "", catalog));
  assert.match(message, "echo 0000:00:04.0 > /sys/bus/pci/drivers/other/unbind");
});

test("two descriptions of one PCI device are refused", async () => {
  const directory = temporaryDirectory();
  for (const kind of ["A", "B"]) {
    const match = { pci: [{ id: "1234:11e8", bar: 0 }] };
    writeFileSync(
      join(directory, `${kind}.json`),
      JSON.stringify({ kind, summary: "A device.", match, dma: "none", registers: [] }),
    );
  }
  await rejectsWith("ERR_AXI_DESCRIPTION", () => new DeviceCatalog([directory]).all());
});

test.run();
