import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { axiscript, PACKAGE } from "../support/cli";
import { canMount, canServeDevices } from "../support/fuse-board";
import { mayMount, seesPageFrames, testWhere } from "../support/rights";
import { type BoardProcess, startBoardProcess } from "../support/standalone-board";
import { temporaryDirectory } from "../support/temporary";

/**
 * Programs that know nothing of axiscript, and find the virtual board where Linux has its hardware. More than the few
 * rounds of an ordinary run: AXISCRIPT_FOREIGN_ROUNDS=100.
 */
const test = suite("programs for the hardware, unchanged on the virtual board");

const SOURCES = join(PACKAGE, "test/foreign");
/** The system's own, which has the system's packages. */
const PYTHON = "/usr/bin/python3";
const PORTS = ["hp", "hpc", "acp"] as const;
const ROUNDS = process.env["AXISCRIPT_FOREIGN_ROUNDS"];

const hasPython = spawnSync(PYTHON, ["-c", "import numpy"]).status === 0;
const hasCompiler = spawnSync("cc", ["--version"]).status === 0;
const rights = mayMount() && seesPageFrames() && canMount();
const needs = (tool: boolean, name: string): [condition: boolean, missing: string] =>
  rights
    ? [tool, `${name} is missing`]
    : [false, "needs page frame numbers, mount namespaces and FUSE (CAP_SYS_ADMIN)"];

/** A program, and where it lets the device write. */
interface Program {
  readonly name: string;
  readonly command: () => readonly string[];
  readonly memory: "numpy" | "memory";
  readonly keep: readonly string[];
  readonly where: ReturnType<typeof testWhere>;
  /** What it says of a port at the end. */
  readonly device: string;
}

const needsPassthrough = testWhere(
  test,
  rights && hasPython && canServeDevices(),
  "needs FUSE passthrough (Linux 6.9)",
);
const needsPython = testWhere(test, ...needs(hasPython, "python3-numpy"));

const directory = temporaryDirectory();
const programs: readonly Program[] = (
  [
    ["axi_proxy", "AxiProxy", "20"],
    ["axi_traffic_gen", "AxiTrafficGen", "65536"],
  ] as const
).flatMap(([name, device, amount]): Program[] => [
  {
    ...{ name: `${name}.py`, device, memory: "numpy", keep: ["--keep"] },
    command: () => [PYTHON, join(SOURCES, `${name}.py`)],
    where: needsPython,
  },
  {
    ...{ name: `${name}.c`, device, memory: "memory", keep: [amount, "keep"] },
    command: () => [compile(name)],
    where: testWhere(test, ...needs(hasCompiler, "cc")),
  },
]);

const compiled = new Set<string>();
function compile(name: string): string {
  const program = join(directory, name);
  if (compiled.has(name)) return program;
  const sources = [`${name}.c`, "zynqmp.c"].map((file) => join(SOURCES, file));
  const { status, stderr } = spawnSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-o", program, ...sources]);
  assert.is(status, 0, stderr.toString());
  compiled.add(name);
  return program;
}

let board: BoardProcess | undefined;
const burners = new Set<ChildProcess>();
test.before.each(async () => {
  board = rights ? await startBoardProcess() : undefined;
});
test.after.each(async () => {
  for (const burner of burners) burner.kill("SIGKILL");
  burners.clear();
  await board?.end();
});

async function run(program: Program, ...args: readonly string[]): Promise<void> {
  const command = ["board", "exec", "--sysroot", board?.sysroot ?? "", "--", ...program.command(), ...args];
  const { status, stdout, stderr } = await axiscript(command);
  assert.is(status, 0, `${program.name} ${args.join(" ")}: ${stdout}${stderr}`);
  assert.match(stdout, new RegExp(`^uio\\d+ ${program.device}:${args[0]}, ${args[1]}: `));
}

/** Ports and buffers in turn, as often as an ordinary test does it or the environment says. */
function rounds(ordinary: number, memory: string): { port: string; buffer: string }[] {
  return Array.from({ length: Number(ROUNDS ?? ordinary) }, (_, round) => ({
    port: PORTS[round % PORTS.length] ?? "hp",
    buffer: round % 2 === 0 ? memory : "u-dma-buf",
  }));
}

/** Lets every core have something else to do. */
function keepCoresBusy(): void {
  for (let core = 0; core < availableParallelism(); core++) {
    burners.add(spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }));
  }
}

needsPython("crc32.py finds every checksum of a core with a user's model right", async () => {
  const model = join(PACKAGE, "examples/own-model/crc32.mjs");
  const withModel = await startBoardProcess(["--model", model]);
  for (const buffer of ["numpy", "u-dma-buf"]) {
    const command = [
      "board",
      "exec",
      "--sysroot",
      withModel.sysroot,
      "--",
      PYTHON,
      join(SOURCES, "crc32.py"),
      "hpc",
      buffer,
    ];
    const { status, stdout, stderr } = await axiscript(command);
    assert.is(status, 0, `${stdout}${stderr}`);
    assert.match(stdout, new RegExp(`^uio0 Crc32:hpc, ${buffer}: 50 ranges$`, "m"));
  }
  await withModel.end();
});

needsPassthrough(
  "uio_interrupt.py finds interrupts as the kernel gives them, and device files that keep their size",
  async () => {
    const program = [PYTHON, join(SOURCES, "uio_interrupt.py")];
    const command = ["board", "exec", "--sysroot", board?.sysroot ?? "", "--", ...program];
    const { status, stdout, stderr } = await axiscript(command);
    assert.is(status, 0, `${stdout}${stderr}`);
    assert.is(stdout, "interrupts as the kernel gives them\n");
  },
);

needsPython("the first write of each program takes as long as first ones do", async () => {
  const program = [PYTHON, join(SOURCES, "axi_proxy.py"), "hpc", "numpy", "--count", "1", "--keep"];
  for (let round = 0; round < 5; round++) {
    const { stdout, stderr } = await axiscript(["board", "exec", "--sysroot", board?.sysroot ?? "", "--", ...program]);
    // Of further ones 98 of 100 take 65 and more.
    assert.match(stdout, /and 4[67] a write$/m, stderr);
  }
});

// How many depends on the machine's load: README.md has what was measured.
needsPython("axi_proxy_counted.py, which counts its polls, finds rounds right", async () => {
  for (const buffer of ["numpy", "u-dma-buf"]) {
    const program = [PYTHON, join(SOURCES, "axi_proxy_counted.py"), buffer, "--rounds", "200"];
    const { stdout, stderr } = await axiscript(["board", "exec", "--sysroot", board?.sysroot ?? "", "--", ...program]);
    const counts = /^(\d+) of 200 rounds right, (\d+) ran out of polls, (\d+) old;/.exec(stdout)?.slice(1).map(Number);
    const [right = 0] = counts ?? [];
    assert.ok(right > 0, `${buffer}: ${stdout}${stderr}`);
    assert.is(
      counts?.reduce((sum, count) => sum + count),
      200,
      stdout,
    );
  }
});

for (const program of programs) {
  const { name, where, memory, keep } = program;

  where(`${name} programs the FPGA, finds every byte right and removes the overlay, again and again`, async () => {
    for (const { port, buffer } of rounds(2, memory)) await run(program, port, buffer);
  });

  where(`${name} does so three at a time, on three ports of a board that is programmed`, async () => {
    await run(program, "hpc", memory, ...keep);
    for (const { buffer } of rounds(1, memory)) {
      await Promise.all(PORTS.map((port) => run(program, port, buffer, ...keep)));
    }
    await run(program, "acp", "u-dma-buf");
  });

  where(`${name} does so while all cores are busy`, async () => {
    keepCoresBusy();
    for (const { port, buffer } of rounds(1, memory)) await run(program, port, buffer);
  });
}

test.run();
