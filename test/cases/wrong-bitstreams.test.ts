import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { gzipSync } from "node:zlib";
import { VirtualBoard } from "../../host/board/board";
import { FpgaManager } from "../../host/linux/fpga-manager";
import { Sysroot } from "../../host/linux/sysroot";
import { rejectsWith } from "../support/expect";
import { testWhere } from "../support/rights";

const test = suite("case: wrong bitstreams");
const DIRECTORY = "/lib/firmware/xilinx/axi_timer";
const BITSTREAM = `${DIRECTORY}/axi_timer.bit.bin`;
const OVERLAY = `${DIRECTORY}/axi_timer.dtbo`;

const swapped = (file: Buffer) => Buffer.concat([file, Buffer.alloc(-file.length & 3)]).swap32();
const field = (letter: string, text: string) => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(text.length + 1);
  return Buffer.concat([Buffer.from(letter), length, Buffer.from(`${text}\0`)]);
};

/** As Vivado writes it: a header of fields, then the words in their own order. */
function bitFile(good: Buffer): Buffer {
  const words = swapped(good);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(words.length);
  const fields = [field("a", "top;UserID=0XFFFFFFFF;Version=2023.1"), field("b", "xczu3eg"), field("c", "2024/01/01")];
  const start = Buffer.from("00090ff00ff00ff00ff0000001", "hex");
  return Buffer.concat([start, ...fields, field("d", "12:00:00"), Buffer.from("e"), length, words]);
}

interface Wrong {
  readonly name: string;
  readonly made: (good: Buffer) => Buffer;
  /** What the error says the file is. */
  readonly says: string;
  /** The program that the advice runs; absent: it is no command. */
  readonly needs?: string;
}

const WRONG: readonly Wrong[] = [
  { name: "a .bit file", made: bitFile, says: "a .bit file (top, xczu3eg, 2024/01/01)", needs: "objcopy" },
  { name: "one that is not byte-swapped", made: swapped, says: "not byte-swapped", needs: "objcopy" },
  {
    name: "one that is shifted",
    made: (good) => Buffer.concat([Buffer.alloc(3), good]),
    says: "shifted",
    needs: "tail",
  },
  { name: "a compressed one", made: (good) => gzipSync(good), says: "compressed with gzip", needs: "gzip" },
  { name: "an HTML page", made: () => Buffer.from("\n<!DOCTYPE html><html>404</html>"), says: "an HTML page" },
  { name: "a text", made: () => Buffer.from("not found\n"), says: "a text" },
  { name: "an empty file", made: () => Buffer.alloc(0), says: "empty" },
  { name: "noise", made: () => Buffer.alloc(9000, "\x01\xfe"), says: "no sync word" },
];

for (const { name, made, says, needs } of WRONG) {
  const has = needs === undefined || spawnSync("sh", ["-c", `command -v ${needs}`]).status === 0;
  testWhere(
    test,
    has,
    `there is no ${needs}`,
  )(
    `${name} is named before the kernel is asked${needs === undefined ? "" : ", and the command mends it"}`,
    async () => {
      const board = new VirtualBoard();
      const sysroot = new Sysroot(board.sysroot);
      const fpga = new FpgaManager(sysroot);
      // A name that a shell takes apart.
      const directory = "/lib/firmware/it's a";
      const bitstream = `${directory}/axi_timer.bit.bin`;
      mkdirSync(sysroot.path(directory));
      writeFileSync(sysroot.path(bitstream), made(readFileSync(sysroot.path(BITSTREAM))));
      const { message } = await rejectsWith("ERR_AXI_BAD_BITSTREAM", () => fpga.program(bitstream, OVERLAY));
      assert.match(message, says);
      assert.is(fpga.state(), "unknown");
      assert.not(existsSync(sysroot.path("/configfs/device-tree/overlays/full")));
      if (needs !== undefined) {
        const command = message.slice(message.indexOf("To mend it: ") + "To mend it: ".length);
        const { status, stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8" });
        assert.is(status, 0, stderr);
        fpga.program(bitstream, OVERLAY);
        assert.ok(fpga.isProgrammed());
      }
      await board.stop();
    },
  );
}

test("one whose sync word comes late is the kernel's to judge, and the refusal says what may be wrong", async () => {
  const board = new VirtualBoard();
  const sysroot = new Sysroot(board.sysroot);
  const path = sysroot.path(BITSTREAM);
  const good = readFileSync(path);
  writeFileSync(path, Buffer.concat([Buffer.alloc(300, "x"), good]));
  const fpga = new FpgaManager(sysroot);
  const { message } = await rejectsWith("ERR_AXI_OVERLAY_REJECTED", () => fpga.program(BITSTREAM, OVERLAY));
  assert.match(message, /write init error.*behind 300 bytes of something else/);
  const [, command = ""] = /to mend it: (.*? && mv "\$f\.new" "\$f")/.exec(message) ?? [];
  assert.is(spawnSync("sh", ["-c", command]).status, 0);
  assert.ok(readFileSync(path).equals(good));
  await board.stop();
});

test("a file of another family's, and a bitstream of logic cells, are the kernel's to judge", async () => {
  const board = new VirtualBoard();
  const sysroot = new Sysroot(board.sysroot);
  const fpga = new FpgaManager(sysroot);
  const real = Buffer.concat([Buffer.alloc(64, 0xff), Buffer.from("bb00000044002211", "hex"), Buffer.alloc(8, 0xff)]);
  writeFileSync(
    sysroot.path(BITSTREAM),
    Buffer.concat([real, Buffer.from("665599aa", "hex"), Buffer.from("00000020", "hex"), Buffer.alloc(4096)]),
  );
  const { message } = await rejectsWith("ERR_AXI_OVERLAY_REJECTED", () => fpga.program(BITSTREAM, OVERLAY));
  assert.match(message, /write error/);
  assert.match(readFileSync(join(board.sysroot, "var/log/kern.log"), "utf8"), "this fabric has none");

  writeFileSync(sysroot.path("/sys/class/fpga_manager/fpga0/name"), "Altera SOCFPGA FPGA Manager\n");
  writeFileSync(sysroot.path(BITSTREAM), Buffer.alloc(9000, "\x01\xfe"));
  await rejectsWith("ERR_AXI_OVERLAY_REJECTED", () => fpga.program(BITSTREAM, OVERLAY));
  await board.stop();
});

test.run();
