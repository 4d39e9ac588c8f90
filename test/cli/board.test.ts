import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createRuntime } from "../../host/index";
import { parseTransfers } from "../support/bus-record";
import { axiscript, boardsOf } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { canDropSysAdmin, seesPageFrames, testWhere, WITHOUT_SYS_ADMIN } from "../support/rights";
import { WITH_PROXY } from "../support/run-script";
import { startBoardProcess } from "../support/standalone-board";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("axiscript board");
const testFrames = testWhere(test, seesPageFrames(), "needs page frame numbers (CAP_SYS_ADMIN)");

/** Writes four words and reads them back; the words are its arguments. */
const TRANSFER = `${WITH_PROXY}
const proxy = new AxiProxy(device);
proxy.timeoutMs = 20000;
const xs = new CacheLineArray<i32>(16);
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(xs));
const first = <i32>parseInt(process.argv[1]);
for (let round = 0; round < 20; round++) {
  proxy.write(paddr, [first + round, 2, 3, 4]);
  if (xs[0] != first + round || <i32>proxy.read(paddr).words[0] != first + round) throw new Error("lost in round " + round.toString());
}
console.log(xs[0].toString());`;

function scriptFor(port: string): string {
  return temporaryFile("transfer.ts", TRANSFER.replace('"hpc"', `"${port}"`));
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  test(`stops at ${signal} with exit code 0, and leaves nothing`, async () => {
    const board = await startBoardProcess();
    assert.equal(boardsOf(board.pid), [board.sysroot]);
    assert.not(board.kept);
    assert.ok(existsSync(join(board.sysroot, "sys/class/fpga_manager/fpga0/state")));
    assert.equal(await board.end(signal), { status: 0, signal: null });
    assert.is(board.output.stderr, "");
    assert.not(existsSync(board.sysroot));
  });
}

test("says to people where it is and how to use it", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  let sent = false;
  const { stdout, status } = await axiscript(["board", "--sysroot", sysroot], {
    onOutput: (text, child) => {
      if (sent || !text.includes("Ctrl-C")) return;
      sent = true;
      child.kill("SIGINT");
    },
  });
  assert.is(status, 0);
  assert.match(stdout, `axiscript run --sysroot ${sysroot} SCRIPT.ts`);
  assert.match(stdout, "Nothing of it stays");
  const help = await axiscript(["board", "--help"]);
  assert.match(
    help.stdout,
    /--keep[\s\S]*--fault[\s\S]*--coherency[\s\S]*--record[\s\S]*--seed[\s\S]*--json[\s\S]*Examples:/,
  );
});

test("what is left at the end: what was there before, what --keep asks for, what held a board", async () => {
  const parent = temporaryDirectory();
  const made = join(parent, "made");
  await (await startBoardProcess(["--sysroot", made])).end();
  assert.not(existsSync(made));

  const empty = temporaryDirectory();
  await (await startBoardProcess(["--sysroot", empty])).end();
  assert.equal(readdirSync(empty), []);

  const kept = await startBoardProcess(["--sysroot", made, "--keep"]);
  assert.ok(kept.kept);
  await kept.end();
  assert.ok(existsSync(join(made, "lib/firmware")));
  const again = await startBoardProcess(["--sysroot", made]);
  assert.ok(again.kept);
  await again.end();
  assert.ok(existsSync(join(made, "lib/firmware")));
  assert.not(existsSync(join(made, ".board/running.json")));

  const foreign = temporaryDirectory();
  writeFileSync(join(foreign, "thesis.tex"), "");
  const { status, stderr } = await axiscript(["board", "--sysroot", foreign]);
  assert.is(status, 1);
  assert.match(stderr, /^ERR_AXI_BOARD: .*holds no board/);
  assert.equal(readdirSync(foreign), ["thesis.tex"]);
});

test("there is one board in a directory", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const board = await startBoardProcess(["--sysroot", sysroot]);
  const { status, stderr } = await axiscript(["board", "--sysroot", sysroot]);
  assert.is(status, 1);
  assert.match(stderr, new RegExp(`^ERR_AXI_BOARD_BUSY: .*${sysroot}`));
  await board.end();
});

test("a board within a program serves that program alone", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const runtime = await createRuntime({ board: "virtual", sysroot });
  await rejectsWith("ERR_AXI_BOARD_BUSY", () => createRuntime({ board: "virtual", sysroot }));
  await runtime.close();
});

test("after kill -9 the next board on the directory begins anew, or another removes a temporary one", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const killed = await startBoardProcess(["--sysroot", sysroot]);
  writeFileSync(join(sysroot, "lib/firmware/mine"), "");
  assert.is((await killed.end("SIGKILL")).signal, "SIGKILL");
  assert.ok(existsSync(join(sysroot, ".board/running.json")));
  const next = await startBoardProcess(["--sysroot", sysroot]);
  assert.not(next.kept);
  assert.ok(existsSync(join(sysroot, "lib/firmware/mine")));
  assert.ok(existsSync(join(sysroot, "lib/firmware/xilinx")));
  rmSync(join(sysroot, "lib/firmware/mine"));
  await next.end();
  assert.not(existsSync(sysroot));

  const temporary = await startBoardProcess();
  await temporary.end("SIGKILL");
  assert.ok(existsSync(temporary.sysroot));
  await (await startBoardProcess()).end();
  assert.not(existsSync(temporary.sysroot));
});

test("a kept board that was killed is as it was, and a run may take its place", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  const killed = await startBoardProcess(["--sysroot", sysroot, "--keep"]);
  writeFileSync(join(sysroot, "lib/firmware/mine"), "");
  await killed.end("SIGKILL");
  const { stdout, stderr } = await axiscript([
    ...["run", "--board=virtual", "--sysroot", sysroot, "--seed=2"],
    temporaryFile("hello.ts", 'console.log("ran");'),
  ]);
  assert.is(stdout, "ran\n", stderr);
  assert.ok(existsSync(join(sysroot, "lib/firmware/mine")));
  assert.not(existsSync(join(sysroot, ".board/running.json")));
});

testFrames("serves several programs at a time, each with its device, and those that take turns on one", async () => {
  const board = await startBoardProcess();
  const run = (script: string, first: number) =>
    axiscript(["run", "--board=virtual", "--sysroot", board.sysroot, script, `${first}`]);
  const program = await run(scriptFor("hp"), 1);
  assert.is(program.stdout, "20\n", program.stderr);
  const own = await Promise.all(["hp", "hpc", "acp"].map((port, index) => run(scriptFor(port), 1000 * index)));
  own.forEach(({ stdout, stderr }, index) => assert.is(stdout, `${1000 * index + 19}\n`, stderr));

  const shared = temporaryFile("shared.ts", TRANSFER.replace("UioDevice.open(", "UioDevice.openShared("));
  const together = await Promise.all([run(shared, 5000), run(shared, 6000)]);
  together.forEach(({ stdout, stderr }, index) => assert.is(stdout, `${5019 + 1000 * index}\n`, stderr));
  await board.end();
});

testFrames("a runtime uses the board, its devices can be listed, and it stays", async () => {
  const board = await startBoardProcess();
  const runtime = await createRuntime({ sysroot: board.sysroot, cacheDirectory: false });
  assert.is(runtime.board, "virtual");
  assert.is(runtime.sysroot, board.sysroot);
  const output = temporaryFile("stdout", "");
  const stdout = openSync(output, "r+");
  await runtime.run(scriptFor("hpc"), { args: ["7"], stdout });
  closeSync(stdout);
  assert.is(readFileSync(output, "utf8"), "26\n");
  await runtime.close();
  const at = ["--sysroot", board.sysroot];
  assert.match((await axiscript(["devices", ...at])).stdout, /^uio1 {2}AxiProxy:hpc$/m);
  await axiscript(["poke", ...at, "AxiProxy:hpc", "SCRATCH", "0x1234"]);
  assert.is((await axiscript(["peek", ...at, "AxiProxy:hpc", "SCRATCH"])).stdout, "SCRATCH  0x00001234\n");
  await board.end();
});

test("what a running board does not take any more is an error", async () => {
  const board = await startBoardProcess();
  const record = join(temporaryDirectory(), "record.jsonl");
  for (const [flags, what] of [
    [["--seed=3"], "a seed"],
    [["--fault", "hp:slow"], "faults"],
    [["--record", record], "a record"],
    [["--coherency=strict"], "a coherency"],
  ] as const) {
    const { status, stderr } = await axiscript([
      ...["run", "--board=virtual", "--sysroot", board.sysroot, ...flags],
      temporaryFile("hello.ts", 'console.log("ran");'),
    ]);
    assert.is(status, 2);
    assert.match(stderr, new RegExp(`^ERR_AXI_USAGE: Cannot give ${what} to the virtual board .*already running`));
  }
  assert.not(existsSync(record));
  await board.end();
});

testFrames("faults and the record are the board's own", async () => {
  const record = join(temporaryDirectory(), "record.jsonl");
  const board = await startBoardProcess(["--fault", "hp:never-done", "--record", record, "--seed", "7"]);
  const run = (port: string) => axiscript(["run", "--board=virtual", "--sysroot", board.sysroot, scriptFor(port), "1"]);
  const stuck = await run("hp");
  assert.match(stuck.stderr, /ERR_AXI_TRANSFER_TIMEOUT/);
  assert.match(stuck.stderr, /kept \d+ bytes pinned until this process ends: AxiProxy:hp is still at work/);
  const { stdout, stderr } = await run("hpc");
  assert.is(stdout, "20\n", stderr);
  await board.end();
  const transfers = parseTransfers(readFileSync(record, "utf8"));
  assert.is(transfers.length, 40);
  assert.ok(transfers.every(({ port, response }) => port === "hpc" && response === "OKAY"));
});

testWhere(
  test,
  canDropSysAdmin(),
  "needs setpriv and root",
)("without CAP_SYS_ADMIN it says what its devices do not reach, and the u-dma-buf they do reach", async () => {
  const board = await startBoardProcess([], WITHOUT_SYS_ADMIN);
  assert.match(board.addressNote ?? "", /reach its u-dma-buf and no other memory.*CAP_SYS_ADMIN/);
  const script = temporaryFile(
    "buffer.ts",
    `import { Contiguous, DmaBuffer } from "axiscript/assembly";${WITH_PROXY}
      const proxy = new AxiProxy(device);
      const buffer = DmaBuffer.alloc(4096, { contiguous: Contiguous.Single });
      proxy.write(buffer.segments[0].physicalAddress, [11, 12, 13, 14]);
      console.log(buffer.i32[1].toString());`,
  );
  const run = await axiscript(["run", "--board=virtual", "--sysroot", board.sysroot, script], {
    through: WITHOUT_SYS_ADMIN,
  });
  assert.is(run.stdout, "12\n", run.stderr);
  assert.match(run.stderr, /reach its u-dma-buf and no other memory/);
  const hidden = await axiscript(["run", "--board=virtual", "--sysroot", board.sysroot, scriptFor("hpc"), "1"], {
    through: WITHOUT_SYS_ADMIN,
  });
  assert.match(hidden.stderr, /ERR_AXI_NO_PAGE_FRAME_NUMBERS/);
  await board.end();
});

test.run();
