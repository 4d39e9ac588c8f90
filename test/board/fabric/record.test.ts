import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VirtualBoard } from "../../../host/board/board";
import { FpgaManager } from "../../../host/linux/fpga-manager";
import { Sysroot } from "../../../host/linux/sysroot";
import { awaitUioDevice, openUioWindow } from "../../../host/linux/uio";
import { waitUntil } from "../../../host/util/wait";
import { Gate } from "../../../host/gate/gate";
import { createRuntime } from "../../../host/index";
import { parseRecord, parseTransfers, type RecordLine, type RecordedTransfer } from "../../support/bus-record";
import { axiscript, boardsOf } from "../../support/cli";
import { rejectsWith } from "../../support/expect";
import { mayMount, testWhere } from "../../support/rights";
import { runFile, runText, WITH_PROXY } from "../../support/run-script";
import { temporaryDirectory, temporaryFile } from "../../support/temporary";

const test = suite("record");

function transfersIn(path: string): RecordedTransfer[] {
  return parseTransfers(readFileSync(path, "utf8"));
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** All lines but those of transfers, without the time. */
function eventsAmong(lines: readonly RecordLine[]): Record<string, unknown>[] {
  return lines
    .filter(({ event }) => event !== "transfer")
    .map((line) => Object.fromEntries(Object.entries(line).filter(([name]) => name !== "time" && name !== "cycle")));
}

const TRANSFERS = `${WITH_PROXY}
const proxy = new AxiProxy(device);
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(new CacheLineArray<i32>(32)));
console.log(hex(paddr));
proxy.read(paddr);
proxy.write(paddr + 64, [1, 2, 3, 4]);
proxy.read(paddr + 64);`;

const READ_OFTEN = `
const proxy = new AxiProxy(device);
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(new CacheLineArray<i32>(16)));
for (let i = 0; i < 50; i++) proxy.read(paddr);`;

/** The generator by its registers, on a buffer in one piece: 4 MiB and one burst. */
const GENERATOR = `
import { Contiguous, DmaBuffer, FpgaManager, hex, UioDevice } from "axiscript/assembly";
const fpga = new FpgaManager();
const firmware = "/lib/firmware/xilinx/axi_traffic_gen/axi_traffic_gen";
if (!fpga.isProgrammed()) fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
const device = UioDevice.open("AxiTrafficGen", process.argv[1]);
assert(device.read32(0x00) == 0xa8172a9e && device.read32(0x04) == 0x907 && device.read32(0x08) == 0x404);
device.idleWhen(0x14, 3, 0);
device.idleWhen(0x10, 3, 3);
const LENGTH: i32 = (4 << 20) + 64;
const buffer = DmaBuffer.alloc(LENGTH + 64, { contiguous: Contiguous.Single });
const paddr = buffer.segments[0].physicalAddress;
buffer.i32.fill(-1);
device.write32(0x30, LENGTH / 64);
device.write32(0x40, <u32>paddr);
device.write32(0x44, <u32>(paddr >> 32));
device.write32(0x14, 1);
console.log(hex(paddr));
assert(device.poll32(0x10, 1, 1, 20000));
for (let i = 0; i < LENGTH / 4; i++) assert(buffer.i32[i] == (i % 4 == 0 ? i / 4 : 0));
for (let i = LENGTH / 4; i < buffer.i32.length; i++) assert(buffer.i32[i] == -1);
device.write32(0x14, 2);
assert(device.poll32(0x10, 2, 2, 20000));
console.log(device.read32(0x58).toString());
console.log((device.read32(0x50) > 0 && device.read32(0x54) > 0).toString());
device.write32(0x14, 0x100);
assert(device.poll32(0x10, 0x300, 0x300, 20000));`;

test("every transfer is on record when the runtime is closed: who, where, and how it was answered", async () => {
  const record = join(temporaryDirectory(), "record.jsonl");
  const { stdout } = await runText(TRANSFERS, { record });
  const paddr = Number(stdout.trim());
  const of = (direction: string, address: number) => ({
    core: "axi-proxy@a0010000",
    port: "hpc",
    direction,
    physicalAddress: address,
    lengthBytes: 64,
    response: "OKAY",
  });
  assert.equal(transfersIn(record), [of("read", paddr), of("write", paddr + 64), of("read", paddr + 64)]);
});

test("writes to registers, steps of the FPGA manager, devices and lines of the kernel's log are on record, too", async () => {
  const record = join(temporaryDirectory(), "record.jsonl");
  const { stdout } = await runText(TRANSFERS, { record });
  const address = Number(stdout.trim());
  const lines = parseRecord(readFileSync(record, "utf8"));
  for (const [index, { time, cycle }] of lines.entries()) {
    assert.ok(time >= (lines[index - 1]?.time ?? 0), `${time}`);
    assert.ok(Math.abs(cycle - time * 250e6) <= 250, `${time} s and ${cycle} cycles`);
  }
  const firmware = "fpga_manager fpga0: writing axi_proxy.bit.bin to Xilinx ZynqMP FPGA Manager";
  assert.equal(eventsAmong(lines).slice(0, 7), [
    ...["firmware request", "write init", "write", "write complete", "operating"].map((state) => ({
      event: "fpga",
      state,
    })),
    { event: "kernel", message: firmware },
    { event: "devices", devices: ["AxiProxy@a0000000", "AxiProxy@a0010000", "AxiProxy@a0020000"] },
  ]);
  const written = (offset: number, value: number) => {
    return {
      core: "axi-proxy@a0010000",
      event: "register",
      direction: "write",
      offset: hex(offset),
      value: hex(value),
    };
  };
  const first = lines.findIndex(({ direction, event }) => event === "transfer" && direction === "read");
  assert.equal(eventsAmong(lines.slice(0, first)).slice(7), [
    ...(address >= 2 ** 32 ? [written(0x40, address % 2 ** 32), written(0x44, Math.floor(address / 2 ** 32))] : []),
    ...(address < 2 ** 32 ? [written(0x40, address)] : []),
    written(0x14, 2),
  ]);
  const second = lines.findIndex(({ direction, event }) => event === "transfer" && direction === "write");
  const [clear, ...others] = eventsAmong(lines.slice(first, second));
  assert.equal(clear, written(0x14, 0x100));
  assert.equal(others.pop(), written(0x14, 1));
  // The board may look in the middle of them.
  const expected = [written(0x40, (address + 64) % 2 ** 32), ...[1, 2, 3, 4].map((n) => written(0x5c + 4 * n, n))];
  assert.equal(
    others.sort((one, other) => Number(one["offset"]) - Number(other["offset"])),
    expected,
  );
});

test("an interrupt is on record with the writes that led to it", async () => {
  const record = join(temporaryDirectory(), "record.jsonl");
  const { stdout } = await runFile("examples/interrupts.ts", { record });
  const events = parseRecord(readFileSync(record, "utf8")).map(({ event, core }) => `${event} ${core}`);
  // On a busy machine the timer may fire once more before it is stopped, and the script says so.
  const expected = stdout.includes("one that was under way") ? 6 : 5;
  assert.is(events.filter((event) => event === "interrupt axi-timer@a0080000").length, expected);
});

testWhere(
  test,
  mayMount(),
  "needs mounts",
)("a full disk ends the record, not the board, and is said", async () => {
  const disk = temporaryDirectory();
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=4k", "none", disk]);
  try {
    const runtime = await createRuntime({ board: "virtual", record: join(disk, "record.jsonl") });
    const script = temporaryFile("script.ts", `${WITH_PROXY}${READ_OFTEN}`);
    assert.is((await runtime.run(script)).exitCode, 0);
    const { message } = await rejectsWith("ERR_AXI_BOARD", () => runtime.close());
    assert.match(message, /the record in .* is not complete: ENOSPC/);
  } finally {
    execFileSync("umount", [disk]);
  }
});

test("the record can be read before that, once the board is idle", async () => {
  const record = join(temporaryDirectory(), "record.jsonl");
  const runtime = await createRuntime({ board: "virtual", record });
  try {
    await runtime.run(temporaryFile("script.ts", TRANSFERS));
    assert.ok(waitUntil(() => transfersIn(record).length === 3, 20_000));
  } finally {
    await runtime.close();
  }
});

for (const port of ["hp", "hpc", "acp"] as const) {
  test(`the traffic generator on ${port} writes and finds its pattern; the record shows every byte of it`, async () => {
    const record = join(temporaryDirectory(), "record.jsonl");
    const { stdout } = await runText(GENERATOR, { record }, { args: [port] });
    const [address, matching, counted] = stdout.split("\n");
    const lengthBytes = (4 << 20) + 64;
    assert.is(Number(matching), lengthBytes / 16);
    assert.is(counted, "true");
    const lines = transfersIn(record);
    for (const direction of ["write", "read"]) {
      let next = Number(address);
      for (const line of lines.filter((one) => one.direction === direction)) {
        assert.is(line.physicalAddress, next);
        assert.is(line.response, "OKAY");
        assert.is(line.port, port);
        assert.match(line.core, /^axi-traffic-gen@a00[456]0000$/);
        next += line.lengthBytes;
      }
      assert.is(next - Number(address), lengthBytes);
    }
  });
}

test("a run that ends in the middle of a transfer waits for it", async () => {
  const record = join(temporaryDirectory(), "record.jsonl");
  const cut = GENERATOR.split("assert(device.poll32")[0] ?? "";
  const { stdout } = await runText(cut, { record, faults: { hp: "slow" } }, { args: ["hp"] });
  const lines = transfersIn(record);
  assert.is(lines[0]?.physicalAddress, Number(stdout.trim()));
  assert.is(
    lines.reduce((sum, line) => sum + line.lengthBytes, 0),
    (4 << 20) + 64,
  );
  assert.ok(lines.every(({ response }) => response === "OKAY"));
});

test("a record that cannot be written is refused before a board is built", async () => {
  const directory = temporaryDirectory();
  const { message } = await rejectsWith("ERR_AXI_IO", () =>
    createRuntime({ board: "virtual", record: join(directory, "nowhere/record.jsonl") }),
  );
  assert.match(message, "nowhere/record.jsonl");
  assert.equal(boardsOf(process.pid), []);
});

test("what happens on a real system cannot be recorded", async () => {
  const sysroot = temporaryDirectory();
  mkdirSync(join(sysroot, "sys"));
  const record = join(temporaryDirectory(), "record.jsonl");
  await rejectsWith("ERR_AXI_USAGE", () => createRuntime({ board: "linux", sysroot, record }));
  assert.not(existsSync(record));
});

test("--record on the command line; the record is complete after a time limit, too", async () => {
  const record = join(temporaryDirectory(), "record.jsonl");
  const script = temporaryFile("script.ts", `${TRANSFERS}\nwhile (true) proxy.read(paddr);`);
  const args = ["run", "--board=virtual", `--record=${record}`, "--timeout=2s", script];
  const { status, stderr } = await axiscript(args);
  assert.is(status, 124, stderr);
  const lines = transfersIn(record);
  assert.ok(lines.length > 3, `${lines.length} lines`);
  assert.is(lines[1]?.direction, "write");
});

test("the record is complete when the board stops in the middle of a transfer", async () => {
  const path = "/lib/firmware/xilinx/axi_traffic_gen/axi_traffic_gen";
  /** Lines are written a thousand at a time, and the rest when there is time; here there is none before the end. */
  const linesOfEndlessTransfer = async () => {
    const record = join(temporaryDirectory(), "record.jsonl");
    const board = new VirtualBoard({ record });
    const sysroot = new Sysroot(board.sysroot);
    new FpgaManager(sysroot).program(`${path}.bit.bin`, `${path}.dtbo`);
    const gate = new Gate();
    const window = gate.open(openUioWindow(sysroot, awaitUioDevice(sysroot, "AxiTrafficGen", "hp", 20_000)));
    gate.exports.write32(window, 0x14, 1);
    assert.ok(waitUntil(() => gate.exports.read32(window, 0x10) === 0x200, 20_000));
    gate.closeAll();
    await board.stop();
    return transfersIn(record);
  };
  let lines: RecordedTransfer[] = [];
  for (let attempt = 0; attempt < 3 && lines.length % 1000 === 0; attempt++) lines = await linesOfEndlessTransfer();
  assert.ok(lines.length % 1000 > 0, `${lines.length} lines`);
  lines.forEach(({ physicalAddress, lengthBytes, response }, index) => {
    assert.is(physicalAddress, index * lengthBytes);
    assert.is(response, "DECERR");
  });
});

test("a slow core takes its time, and the transfer arrives", async () => {
  const { stdout } = await runText(
    `${WITH_PROXY}
const proxy = new AxiProxy(device);
const xs = CacheLineArray.arange<i32>(16);
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(xs));
const start = Date.now();
proxy.write(paddr, [5, 6, 7, 8]);
assert(Date.now() - start >= 49);
console.log(xs[3].toString());`,
    { faults: { hpc: "slow" } },
  );
  assert.is(stdout, "8\n");
});

test.run();
