import { dirname } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { strings } from "../../host/board/kernel/fpga/device-tree";
import { DeviceCatalog } from "../../host/linux/catalog";
import { Sysroot } from "../../host/linux/sysroot";
import { findUioDevice, listUioDevices } from "../../host/linux/uio";
import { Rules } from "../../host/runtime/permissions/rules";
import { rejectsWith } from "../support/expect";
import { boardDirectoryWith, onBoardWith, rootOverlay, uioNode } from "../support/overlays";
import { runText } from "../support/run-script";
import { temporaryDirectory, temporaryFile } from "../support/temporary";
import { addUioDevice } from "../support/uio-device";

const test = suite("case: names of UIO devices");

const TWINS = rootOverlay([
  uioNode("twin@a0110000", [[0xa0110000, 0x1000]], { "jan-note": strings("x") }),
  uioNode("twin@a0120000", [[0xa0120000, 0x1000]], { "jan-note": strings("x") }),
  uioNode("Named@a0130000", [[0xa0130000, 0x1000]], { "linux,uio-name": strings("other") }),
]);

/** A kernel that puts the unit address into the name, or one that does not. */
function sysrootOf(kernel: "today's" | "an older"): Sysroot {
  const root = temporaryDirectory();
  addUioDevice(root, "uio0", { name: kernel === "today's" ? "AxiProxy@a0010000" : "AxiProxy", note: "hpc" });
  return new Sysroot(root);
}

for (const kernel of ["today's", "an older"] as const) {
  test(`with ${kernel} kernel a device is found with and without its unit address`, async () => {
    const sysroot = sysrootOf(kernel);
    for (const name of ["AxiProxy", "AxiProxy@a0010000", "AxiProxy@A0010000", "uio0"]) {
      const { id, note } = findUioDevice(sysroot, name, "");
      assert.equal([id, findUioDevice(sysroot, name, "hpc").note], ["uio0", note]);
    }
    for (const name of ["AxiProxy@a0010001", "AxiProxy@", "Axi", "@a0010000"]) {
      await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () => findUioDevice(sysroot, name, ""));
    }
  });

  test(`with ${kernel} kernel permissions and descriptions mean it by both names`, () => {
    const sysroot = sysrootOf(kernel);
    const device = findUioDevice(sysroot, "AxiProxy", "");
    const { name, unitAddress = "", note } = device;
    const permission = { name: "device", device: name, unitAddress, note } as const;
    for (const item of ["AxiProxy", "AxiProxy:hpc", "AxiProxy@a0010000", "AxiProxy@a0010000:hpc"]) {
      assert.ok(new Rules({ allow: { device: [item] } }, "linux").allows(permission), item);
      assert.ok(new Rules({ deny: { device: [item] } }, "linux").denialOf(permission), item);
    }
    for (const item of ["AxiProxy:hp", "AxiProxy@a0010001", "AxiProxy@a0010000:hp", "a0010000"]) {
      assert.not(new Rules({ allow: { device: [item] } }, "linux").allows(permission), item);
    }
    assert.is(new DeviceCatalog().describe(sysroot, device)?.kind, "AxiProxy");
  });

  test(`with ${kernel} kernel a description of one unit address comes before one of the name`, () => {
    const sysroot = sysrootOf(kernel);
    const describe = (kind: string, uioName: string) =>
      JSON.stringify({
        ...{ kind, summary: "A core.", match: { uioNames: [uioName] }, dma: "none" },
        registers: [{ name: "CTRL", offset: 0, access: "RW" }],
      });
    const [any, one, other] = [
      temporaryFile("any.json", describe("Any", "AxiProxy")),
      temporaryFile("one.json", describe("One", "AxiProxy@a0010000")),
      temporaryFile("other.json", describe("Other", "AxiProxy@a0020000")),
    ].map(dirname) as [string, string, string];
    const device = findUioDevice(sysroot, "AxiProxy", "");
    assert.is(new DeviceCatalog([any, one, other]).describe(sysroot, device)?.kind, "One");
    assert.is(new DeviceCatalog([any, other]).describe(sysroot, device)?.kind, "Any");
  });
}

test("the board names devices as today's kernels do, or as their nodes say", async () => {
  await onBoardWith(TWINS, async (directory) => {
    const sysroot = new Sysroot(directory);
    const names = ["uio0", "uio1", "uio2"].map((id) => sysroot.readText(`/sys/class/uio/${id}/name`));
    assert.equal(names, ["twin@a0110000", "twin@a0120000", "other"]);
    assert.equal(
      listUioDevices(sysroot).map(({ name, unitAddress }) => `${name} ${unitAddress}`),
      ["twin a0110000", "twin a0120000", "other a0130000"],
    );
    const { message } = await rejectsWith("ERR_AXI_AMBIGUOUS_DEVICE", () => findUioDevice(sysroot, "twin", "x"));
    assert.match(message, "uio0 (twin@a0110000), uio1 (twin@a0120000)");
  });
});

test("a script opens a device by its name, its unit address or its number", async () => {
  const source = `import { UioDevice } from "axiscript/assembly";
    const names = ["twin@a0110000", "uio1", "other"];
    for (let i = 0; i < names.length; i++) console.log(names[i] + " " + UioDevice.open(names[i]).lengthBytes.toString());`;
  const { stdout } = await runText(source, { sysroot: await boardDirectoryWith(TWINS) });
  assert.is(stdout, "twin@a0110000 4096\nuio1 4096\nother 4096\n");
});

test.run();
