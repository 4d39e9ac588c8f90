import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard } from "../../host/board/board";
import { FpgaManager } from "../../host/linux/fpga-manager";
import { Sysroot } from "../../host/linux/sysroot";
import { waitUntil } from "../../host/util/wait";
import { canMount, errnoOf } from "../support/fuse-board";
import { firmwareOf } from "../support/host-instance";
import { mayMount, testWhere } from "../support/rights";
import { temporaryDirectory } from "../support/temporary";

const test = suite("a board on a disk that is full");
const testMounts = testWhere(test, mayMount(), "cannot mount a small file system");

/** Calls a function with a directory on a small disk. */
async function onSmallDisk(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = temporaryDirectory();
  assert.is(spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "none", directory]).status, 0);
  try {
    await body(directory);
  } finally {
    assert.is(spawnSync("umount", ["-l", directory]).status, 0);
  }
}

/** Takes all the space that there is. */
function fill(path: string): void {
  for (const lengthBytes of [65536, 4096, 1]) {
    while (errnoOf(() => writeFileSync(path, Buffer.alloc(lengthBytes), { flag: "a" })) === "none");
  }
}

for (const kernelFiles of canMount() ? (["plain", "fuse"] as const) : (["plain"] as const)) {
  testMounts(
    `goes on when it cannot be programmed, and can be when there is space (${kernelFiles} files)`,
    async () => {
      await onSmallDisk(async (directory) => {
        const sysroot = join(directory, "board");
        const board = new VirtualBoard({ sysroot, kernelFiles });
        let ended = false;
        void board.ended.then(() => (ended = true));
        const fpga = new FpgaManager(new Sysroot(sysroot));
        fill(join(directory, "filler"));
        let refusal = "";
        try {
          fpga.program(...firmwareOf("axi_proxy"));
        } catch (error) {
          refusal = String(error);
        }
        // Where the kernel's files and the devices are file systems of the board's, nothing of them takes space here.
        assert.match(refusal, kernelFiles === "fuse" ? /^$|ENOSPC/ : /./);
        rmSync(join(directory, "filler"));
        if (fpga.isProgrammed()) assert.is(refusal, "");
        fpga.remove();
        fpga.program(...firmwareOf("axi_proxy"));
        assert.ok(fpga.isProgrammed());
        assert.not(ended);
        await board.stop();
      });
    },
  );
}

test("a directory for an overlay in which the board cannot write is left alone, and the board goes on", async () => {
  const board = new VirtualBoard();
  const path = (relative: string) => join(board.sysroot, relative);
  // In the place of the attributes that the board would make.
  for (const attribute of ["dtbo", "status", "path"]) mkdirSync(path(`tmp/theirs/${attribute}`), { recursive: true });
  assert.is(spawnSync("mv", [path("tmp/theirs"), path("configfs/device-tree/overlays/theirs")]).status, 0);
  assert.ok(waitUntil(() => readFileSync(path("var/log/kern.log"), "utf8").includes("theirs is not served"), 20_000));
  const fpga = new FpgaManager(new Sysroot(board.sysroot));
  fpga.program(...firmwareOf("axi_proxy"));
  assert.ok(fpga.isProgrammed());
  await board.stop();
});

test("pipes in the place of attributes keep no board waiting", async () => {
  const board = new VirtualBoard();
  const attribute = join(board.sysroot, "sys/class/u-dma-buf/axi:udmabuf@0x0/sync_for_cpu");
  rmSync(attribute);
  assert.is(spawnSync("mkfifo", [attribute]).status, 0);
  const fpga = new FpgaManager(new Sysroot(board.sysroot));
  fpga.program(...firmwareOf("axi_proxy"));
  assert.ok(fpga.isProgrammed());
  await board.stop();
});

test.run();
