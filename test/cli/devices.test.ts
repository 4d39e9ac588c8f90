import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createRuntime, openDeviceRegisters } from "../../host/index";
import { axiscript } from "../support/cli";
import { widgetSysroot } from "../support/described-device";
import { rejectsWith } from "../support/expect";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("axiscript devices, peek and poke");

const PROGRAM = `
import { FpgaManager, UioDevice } from "axiscript/assembly";
const firmware = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
new FpgaManager().programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
UioDevice.open("AxiProxy", "acp").close();
`;

/** A directory with a virtual board that is programmed, and that nobody serves. */
let keptBoard: Promise<string> | undefined;
function boardDirectory(): Promise<string> {
  keptBoard ??= (async () => {
    const sysroot = join(temporaryDirectory(), "board");
    const runtime = await createRuntime({ board: "virtual", sysroot, cacheDirectory: false });
    await runtime.run(temporaryFile("program.ts", PROGRAM));
    await runtime.close();
    return sysroot;
  })();
  return keptBoard;
}

test("lists the devices of a virtual board that is kept, for people and for programs", async () => {
  const sysroot = await boardDirectory();
  const { stdout, status } = await axiscript(["devices", "--sysroot", sysroot]);
  assert.is(status, 0);
  assert.match(
    stdout,
    /^uio1 {2}AxiProxy:hpc\n {2}kind +AxiProxy\n {2}map 0 +0xa0010000, 0x1000 bytes \(AxiProxy@a0010000\)$/m,
  );
  const listed = JSON.parse((await axiscript(["devices", "--sysroot", sysroot, "--json"])).stdout) as {
    readonly id: string;
    readonly kind: string;
    readonly maps: readonly { readonly physicalAddress: string }[];
  }[];
  assert.equal(
    listed.map(({ id, kind, maps }) => [id, kind, maps[0]?.physicalAddress]),
    ["0xa0000000", "0xa0010000", "0xa0020000"].map((address, index) => [`uio${index}`, "AxiProxy", address]),
  );
});

test("without devices it says how to get some", async () => {
  const sysroot = temporaryDirectory();
  const { stdout, status } = await axiscript(["devices", "--sysroot", sysroot]);
  assert.match(stdout, /^No UIO devices\.[^]*axiscript run --sysroot DIR/);
  assert.is(status, 0);
  assert.is((await axiscript(["devices", "--sysroot", sysroot, "--json"])).stdout, "[]\n");
});

test("tells who has a device open, and that a device has no description", async () => {
  const { sysroot } = widgetSysroot();
  const fd = openSync(join(sysroot, "dev/uio0"), "r");
  const { stdout } = await axiscript(["devices", "--sysroot", sysroot]);
  closeSync(fd);
  assert.match(stdout, new RegExp(`^ {2}open +by process ${process.pid} \\(.*\\), without a lock$`, "m"));
  assert.match(stdout, /no description: needs --allow-unchecked-dma, or one of your own \(--devices DIR\)/);
});

test("peeks at a virtual board that nobody serves: all registers, one, one field", async () => {
  const board = ["--sysroot", await boardDirectory()];
  const all = await axiscript(["peek", ...board, "AxiProxy:hpc"]);
  assert.is(all.status, 0, all.stderr);
  assert.match(all.stdout, /^AxiProxy:hpc \(uio1\), AXI Proxy\n0x00 {2}ID_REG +0xa8122081\n/);
  assert.match(all.stdout, /^0x10 {2}STATUS +0x00000300 {2}DONE_WR 0, DONE_RD 0, READY_WR 1, READY_RD 1$/m);
  const one = await axiscript(["peek", ...board, "AxiProxy:hpc", "VERSION"]);
  assert.is(one.stdout, "VERSION  0x00000301\n  PATCH  1\n  MINOR  3\n  MAJOR  0\n");
  const field = await axiscript(["peek", ...board, "uio1", "STATUS.READY_WR"]);
  assert.is(field.stdout, "STATUS.READY_WR  1\n");
  assert.equal(all.leftBehind, []);
});

test("pokes a field and a register, and says what was read before", async () => {
  const board = ["--sysroot", await boardDirectory()];
  const field = await axiscript(["poke", ...board, "AxiProxy:hp", "CONFIG_AXI.PROT", "2"]);
  assert.is(field.stdout, "CONFIG_AXI  0x00000000 -> 0x00000200\n");
  assert.match(field.stderr, /^axiscript: CONFIG_AXI was read and written back with another PROT$/m);
  const whole = await axiscript(["poke", ...board, "--json", "AxiProxy:hp", "SCRATCH", "0xdead_beef"]);
  assert.equal(JSON.parse(whole.stdout), {
    ...{ id: "uio0", name: "AxiProxy", note: "hp", register: "SCRATCH", offset: "0x0c", written: "0xdeadbeef" },
  });
  const found = await axiscript(["peek", ...board, "--json", "AxiProxy:hp", "CONFIG_AXI"]);
  assert.equal(JSON.parse(found.stdout), {
    ...{ id: "uio0", name: "AxiProxy", note: "hp", kind: "AxiProxy" },
    registers: [
      { name: "CONFIG_AXI", offset: "0x20", value: "0x00000200", fields: { CACHE: "0x0", PROT: "0x2", USER: "0x0" } },
    ],
  });
});

test("a write that starts a transfer needs the flag for that device, and a pulse is gone when it returns", async () => {
  const board = ["--sysroot", await boardDirectory()];
  const start = ["AxiProxy:acp", "CONTROL.START_RD", "1"];
  for (const flags of [[], ["--allow-unchecked-dma=AxiProxy:hpc"]]) {
    const refused = await axiscript(["poke", ...board, ...flags, ...start]);
    assert.match(
      refused.stderr,
      /^ERR_AXI_NOT_ALLOWED: .*starts the transfer "read".*--allow-unchecked-dma=AxiProxy:acp/,
    );
    assert.is(refused.status, 1);
    assert.is(refused.stdout, "");
  }
  const done = await axiscript(["poke", ...board, "--allow-unchecked-dma=AxiProxy:acp", ...start]);
  assert.is(done.stdout, "CONTROL  0x00000002\n", done.stderr);
  const { stdout } = await axiscript(["peek", ...board, "AxiProxy:acp", "CONTROL"]);
  assert.match(stdout, /^CONTROL +0x00000000$/m);
});

test("a board that somebody serves is used as it is", async () => {
  const sysroot = await boardDirectory();
  const runtime = await createRuntime({ board: "virtual", sysroot, cacheDirectory: false });
  try {
    const { stdout, stderr } = await axiscript(["peek", "--sysroot", sysroot, "AxiProxy:acp", "ID_REG"]);
    assert.is(stdout, "ID_REG  0xa8122081\n", stderr);
  } finally {
    await runtime.close();
  }
});

test("a board that was started for a device that it does not have is ended again", async () => {
  const sysroot = await boardDirectory();
  await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () => openDeviceRegisters("AxiProxy:gp", { sysroot }));
  // It would be busy otherwise.
  await (await createRuntime({ board: "virtual", sysroot })).close();
});

test("a script's device is opened by a description of one's own, of several directories", async () => {
  const { sysroot, deviceDirectories } = widgetSysroot();
  const script = temporaryFile(
    "script.ts",
    'import { UioDevice } from "axiscript/assembly"; UioDevice.open("widget").write32(0x18, 1);',
  );
  const own = ["--devices", temporaryDirectory(), "--devices", deviceDirectories[0] ?? ""];
  const run = await axiscript(["run", "-A", "--board=linux", "--sysroot", sysroot, ...own, script]);
  // Without the description the access would be allowed.
  assert.match(run.stderr, /^ERR_AXI_GATE: .*widget:left/);
});

test("descriptions of one's own, side effects, and mistakes", async () => {
  const { sysroot, deviceDirectories } = widgetSysroot({ 12: 5, 8: 0x10 });
  const own = ["--sysroot", sysroot, "--devices", deviceDirectories[0] ?? ""];
  assert.is((await axiscript(["peek", ...own, "widget", "CONTROL.MODE"])).stdout, "CONTROL.MODE  1 (Colour)\n");
  assert.match(
    (await axiscript(["peek", ...own, "widget"])).stdout,
    /^0x0c {2}EVENT +not read without need: takes an event/m,
  );
  const refused = await axiscript(["peek", ...own, "widget", "EVENT"]);
  assert.match(refused.stderr, /^ERR_AXI_BAD_ARGUMENT: .*--side-effects reads it nevertheless/);
  assert.is((await axiscript(["peek", ...own, "--side-effects", "widget", "EVENT"])).stdout, "EVENT  0x00000005\n");
  const cases: readonly (readonly [readonly string[], RegExp, number])[] = [
    [["peek", ...own, "widget", "CONTORL"], /^ERR_AXI_NO_SUCH_REGISTER: .*Did you mean CONTROL\?/, 1],
    [["poke", ...own, "widget", "CONTROL"], /^ERR_AXI_USAGE: Name a device, a register and a value/, 2],
    [["peek"], /^ERR_AXI_USAGE: Name a device/, 2],
    [["peek", ...own, "gadget"], /^ERR_AXI_NO_SUCH_DEVICE: .*widget:left \(uio0\), mystery \(uio1\)/, 1],
    [["devices", "--sysroot", "/nowhere/at/all"], /^ERR_AXI_USAGE: .*no such directory/, 2],
  ];
  for (const [args, message, status] of cases) {
    const result = await axiscript(args);
    assert.match(result.stderr, message);
    assert.is(result.status, status);
  }
});

test.run();
