import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FpgaManager } from "../../host/linux/fpga-manager";
import { Sysroot } from "../../host/linux/sysroot";
import { awaitUioDevice, openUioWindow } from "../../host/linux/uio";
import { waitUntil } from "../../host/util/wait";
import { Gate } from "../../host/gate/gate";
import { parseTransfers } from "../support/bus-record";
import { axiscript } from "../support/cli";
import { foreignMemory } from "../support/foreign-memory";
import { mayMount, seesPageFrames, testWhere } from "../support/rights";
import { startBoardProcess } from "../support/standalone-board";
import { temporaryFile } from "../support/temporary";

const test = suite("a board whose streams are /dev/null");
const where = testWhere(test, seesPageFrames() && mayMount(), "needs page frame numbers and mount namespaces");

const FIRMWARE = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
const REGISTER = { control: 0x14, addressLow: 0x40, addressHigh: 0x44, data: 0xa0 };
const START_RD = 2;
const DEADLINE_MS = 20_000;
/** Starts a program with every stream at /dev/null, as a service has them. */
const AS_SERVICE = ["sh", "-c", 'exec "$0" "$@" </dev/null 2>/dev/null'];

for (const [name, through] of [
  ["as a service", AS_SERVICE],
  ["from a shell", []],
] as const) {
  where(`started ${name}, reaches nobody who has /dev/null open`, async () => {
    const record = temporaryFile("record.jsonl", "");
    const board = await startBoardProcess(["--record", record], through);
    // Lays the machine's devices over the board's, `/dev/stdin` and `/dev/null` among them.
    const { status, stderr } = await axiscript(["board", "exec", "--sysroot", board.sysroot, "--", "true"]);
    assert.is(status, 0, stderr);
    const sysroot = new Sysroot(board.sysroot);
    new FpgaManager(sysroot).program(`${FIRMWARE}.bit.bin`, `${FIRMWARE}.dtbo`);
    const gate = new Gate();
    const device = awaitUioDevice(sysroot, "AxiProxy", "hpc", DEADLINE_MS);
    const window = gate.open(openUioWindow(sysroot, device));
    const { read32, write32 } = gate.exports;
    const strayStreams = ["/dev/null", join(board.sysroot, ".board/lock")].map((path) => openSync(path, "r"));
    const victim = await foreignMemory(strayStreams);
    for (const page of victim.pages.slice(0, 3)) {
      write32(window, REGISTER.addressLow, page | 0);
      write32(window, REGISTER.addressHigh, Math.floor(page / 2 ** 32));
      write32(window, REGISTER.control, START_RD);
      const transfers = () =>
        parseTransfers(readFileSync(record, "utf8")).filter((one) => one.physicalAddress === page);
      assert.ok(waitUntil(() => transfers().length > 0, DEADLINE_MS));
      assert.equal(new Set(transfers().map(({ response }) => response)), new Set(["DECERR"]));
      assert.is(read32(window, REGISTER.data), 0);
    }
    assert.ok(await victim.close());
    for (const fd of strayStreams) closeSync(fd);
    gate.closeAll();
    await board.end();
  });
}

test.run();
