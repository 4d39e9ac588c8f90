import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cells, node, strings } from "../../host/board/kernel/fpga/device-tree";
import { Sysroot } from "../../host/linux/sysroot";
import { listUDmaBufs } from "../../host/linux/u-dma-buf";
import { listUioDevices } from "../../host/linux/uio";
import { onBoardWith, rootOverlay, uioNode } from "../support/overlays";

const test = suite("case: u-dma-buf nodes of an overlay");

test("the devices beside them appear, and the log says of each buffer why there is none", async () => {
  const compatible = strings("ikwzm,u-dma-buf");
  const overlay = rootOverlay([
    uioNode("sample@a0000000", [[0xa0000000, 0x1000]]),
    node("in", { compatible, "device-name": strings("buffer-in"), size: cells(0x100000) }),
    node("out", { compatible, "minor-number": cells(3), size: cells(0, 0x200000) }),
    node("old", { compatible: strings("ikwzm,udmabuf-0.10.a"), size: cells(0x1000) }),
    node("off", { compatible, size: cells(0x1000), status: strings("disabled") }),
  ]);
  await onBoardWith(overlay, (directory) => {
    const sysroot = new Sysroot(directory);
    assert.equal(
      listUioDevices(sysroot).map(({ name }) => name),
      ["sample"],
    );
    assert.is(listUDmaBufs(sysroot).length, 1);
    const log = readFileSync(join(directory, "var/log/kern.log"), "utf8");
    for (const [name, bytes] of [
      ["buffer-in", 0x100000],
      ["udmabuf3", 0x200000],
      ["old", 0x1000],
    ] as const) {
      assert.match(log, `u-dma-buf ${name}: this board makes no buffer of ${bytes} bytes`);
    }
    assert.not.match(log, "u-dma-buf off:");
  });
});

test.run();
