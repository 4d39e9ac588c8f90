import { spawn, spawnSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { waitUntil } from "../../host/util/wait";
import { compileScript, createRuntime, type RunOptions, type Runtime } from "../../host/index";
import { PACKAGE } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { assertNothingKept, pinnedKilobytes, settledResources, threadCount } from "../support/resources";
import { runText, WITH_PROXY } from "../support/run-script";
import { temporaryDirectory, temporaryFile } from "../support/temporary";
import { assemble } from "../support/wasm";

const test = suite("runs beside the program");

const ENDLESS = join(PACKAGE, "test/scripts/endless.ts");
const LIBRARY = JSON.stringify(join(PACKAGE, "dist/host/index.js"));
const DEADLINE_MS = 30_000;
const SPIN = temporaryFile("spin.wasm", assemble({ importMemory: [1], start: [0x03, 0x40, 0x0c, 0x00, 0x0b] }));
const NOTHING = temporaryFile("nothing.wasm", assemble({ importMemory: [1], start: [] }));

async function onBoard<T>(body: (runtime: Runtime) => Promise<T>): Promise<T> {
  const runtime = await createRuntime({ board: "virtual" });
  try {
    return await body(runtime);
  } finally {
    await runtime.close();
  }
}

/** Resolves when a condition holds, while the event loop turns. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!condition()) {
    assert.ok(performance.now() < deadline, "nothing came of it");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Runs a script that says on stdout when it is where it is to be stopped, and aborts it there. */
async function abortWhereItWaits(runtime: Runtime, source: string, options: RunOptions = {}): Promise<void> {
  const output = join(temporaryDirectory(), "stdout");
  const stdout = openSync(output, "w");
  const controller = new AbortController();
  const script = temporaryFile("script.ts", source);
  const running = runtime.run(script, { stdout, ...options, signal: controller.signal });
  const stopped = rejectsWith("ERR_AXI_ABORTED", () => running);
  await until(() => readFileSync(output, "utf8").includes("waiting"));
  controller.abort();
  await stopped;
  closeSync(stdout);
}

test("the event loop turns while a script spins, and while one is compiled", () =>
  onBoard(async (runtime) => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const controller = new AbortController();
    const running = rejectsWith("ERR_AXI_ABORTED", () => runtime.run(SPIN, { signal: controller.signal }));
    await until(() => ticks > 50);
    controller.abort();
    await running;

    ticks = 0;
    const uncached = await createRuntime({ board: "virtual", cacheDirectory: false });
    await uncached.run(temporaryFile("hello.ts", "let x = 1;"));
    assert.ok(ticks > 50, `${ticks} ticks`);
    clearInterval(timer);
    await uncached.close();
  }));

test("scripts run at the same time, each on a device of its own", () =>
  onBoard(async (runtime) => {
    const script = await compileScript(ENDLESS);
    const stdout = openSync("/dev/null", "w");
    assert.is((await runtime.run(script, { args: ["1"], stdout })).exitCode, 0);
    const ports = ["hp", "hpc", "acp"];
    const results = await Promise.all(ports.map((port) => runtime.run(script, { args: ["30", port], stdout })));
    assert.equal(
      results.map(({ exitCode }) => exitCode),
      [0, 0, 0],
    );
    closeSync(stdout);
  }));

test("two runtimes run scripts at the same time, and stop one without the other", () =>
  onBoard((first) =>
    onBoard(async (second) => {
      const stdout = openSync("/dev/null", "w");
      const controller = new AbortController();
      const stopped = first.run(ENDLESS, { stdout, signal: controller.signal });
      const finished = second.run(ENDLESS, { args: ["20"], stdout });
      setTimeout(() => controller.abort(), 20);
      await rejectsWith("ERR_AXI_ABORTED", () => stopped);
      assert.is((await finished).exitCode, 0);
      assert.is((await first.run(ENDLESS, { args: ["1"], stdout })).exitCode, 0);
      closeSync(stdout);
    }),
  ));

test("an abort before the start runs nothing", () =>
  onBoard(async (runtime) => {
    const output = join(temporaryDirectory(), "stdout");
    const stdout = openSync(output, "w");
    const script = temporaryFile("print.ts", 'console.log("begun");');
    const error = await rejectsWith("ERR_AXI_ABORTED", () =>
      runtime.run(script, { stdout, signal: AbortSignal.abort(new Error("no need")) }),
    );
    assert.is((error.cause as Error).message, "no need");
    assert.match(error.message, "no need");
    assert.is(error.kind, "stopped");
    // In the moment in which it is called: it is compiled, or its thread starts, by then.
    const controller = new AbortController();
    const running = runtime.run(await compileScript(script), { stdout, signal: controller.signal });
    controller.abort();
    await rejectsWith("ERR_AXI_ABORTED", () => running);
    assert.is(statSync(output).size, 0);
    closeSync(stdout);
  }));

test("an abort ends the compiler", async () => {
  const controller = new AbortController();
  const runtime = await createRuntime({
    board: "virtual",
    cacheDirectory: false,
    onCompile: () => setTimeout(() => controller.abort(), 5),
  });
  const script = temporaryFile("script.ts", "let x = 1;");
  await rejectsWith("ERR_AXI_ABORTED", () => runtime.run(script, { signal: controller.signal }));
  assert.is((await runtime.run(NOTHING)).exitCode, 0);
  await runtime.close();
});

test("an abort reaches a script that polls, sleeps, reads, writes to a full pipe, or waits for a device", () =>
  onBoard(async (runtime) => {
    const say = 'process.stdout.write("waiting\\n");';
    await abortWhereItWaits(runtime, `${WITH_PROXY}${say} device.poll32(0, 0xff, 0x00, 1000000);`);
    await abortWhereItWaits(
      runtime,
      `${say}
      // @ts-ignore: decorator
      @external("wasi_snapshot_preview1", "poll_oneoff")
      declare function pollOneoff(subscriptions: usize, events: usize, count: i32, occurred: usize): i32;
      const room = memory.data(256);
      store<u32>(room + 16, 1);
      store<u64>(room + 24, 1000000000000);
      pollOneoff(room, room + 64, 1, room + 128);`,
    );
    const fifo = join(temporaryDirectory(), "fifo");
    assert.is(spawnSync("mkfifo", [fifo]).status, 0);
    // A pipe that blocks, which nobody writes to, and which nobody reads from.
    const pipe = openSync(fifo, constants.O_RDWR);
    await abortWhereItWaits(runtime, `${say} process.stdin.read(new ArrayBuffer(8));`, { stdin: pipe });
    await abortWhereItWaits(runtime, `${say} while (true) process.stderr.write("x".repeat(5000));`, { stderr: pipe });
    closeSync(pipe);
  }));

test("an abort ends the wait for an overlay that is never applied", async () => {
  // A system whose kernel answers nothing.
  const sysroot = temporaryDirectory();
  spawnSync("mkdir", ["-p", ...["sys/class/fpga_manager/fpga0", "lib/firmware", "configfs/device-tree/overlays"]], {
    cwd: sysroot,
  });
  spawnSync(
    "sh",
    ["-c", "echo operating > sys/class/fpga_manager/fpga0/state; printf '\\0' | tee lib/firmware/a > lib/firmware/b"],
    {
      cwd: sysroot,
    },
  );
  const runtime = await createRuntime({ board: "linux", sysroot, permissions: { allow: { fpga: true } } });
  const source = `
    import { FpgaManager } from "axiscript/assembly";
    process.stdout.write("waiting\\n");
    new FpgaManager().programBitstream("/lib/firmware/a", "/lib/firmware/b");`;
  await abortWhereItWaits(runtime, source);
  assert.is(spawnSync("ls", [join(sysroot, "configfs/device-tree/overlays")], { encoding: "utf8" }).stdout, "");
  await runtime.close();
});

test("a second abort, or one that comes too late, changes nothing", () =>
  onBoard(async (runtime) => {
    const controller = new AbortController();
    const running = runtime.run(SPIN, { signal: controller.signal, timeoutMs: DEADLINE_MS });
    await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort(new Error("first"));
    controller.abort(new Error("second"));
    assert.match((await rejectsWith("ERR_AXI_ABORTED", () => running)).message, "first");
    const late = new AbortController();
    assert.is((await runtime.run(NOTHING, { signal: late.signal })).exitCode, 0);
    late.abort();
    assert.is((await runtime.run(NOTHING)).exitCode, 0);
  }));

test("a time limit holds, is not used up by the start of a thread, and may be the longest", () =>
  onBoard(async (runtime) => {
    for (let round = 0; round < 3; round++) {
      const { message } = await rejectsWith("ERR_AXI_TIMEOUT", () => runtime.run(SPIN, { timeoutMs: 50 }));
      assert.match(message, "50 ms");
    }
    assert.is((await runtime.run(NOTHING, { timeoutMs: 2 ** 32 - 1 })).exitCode, 0);
  }));

test("a time limit holds also while the program's event loop stands still", () =>
  onBoard(async (runtime) => {
    const output = join(temporaryDirectory(), "stdout");
    const stdout = openSync(output, "w");
    const script = await compileScript(temporaryFile("print.ts", 'while (true) console.log("more");'));
    const stopped = rejectsWith("ERR_AXI_TIMEOUT", () => runtime.run(script, { stdout, timeoutMs: 300 }));
    await until(() => statSync(output).size > 0);
    // From here on no timer of this thread comes.
    let last = -1;
    const standsStill = () => {
      const { size } = statSync(output);
      const same = size === last;
      last = size;
      if (!same) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
      return same;
    };
    assert.ok(waitUntil(standsStill, DEADLINE_MS), "the script went on writing");
    await stopped;
    closeSync(stdout);
    assert.is((await runtime.run(NOTHING)).exitCode, 0);
  }));

test("closing a runtime stops what runs, and lets nothing more run", async () => {
  const runtime = await createRuntime({ board: "virtual" });
  const stopped = Array.from({ length: 3 }, () => rejectsWith("ERR_AXI_ABORTED", () => runtime.run(SPIN)));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await runtime.close();
  for (const { message } of await Promise.all(stopped)) assert.match(message, "its runtime was closed");
  await rejectsWith("ERR_AXI_USAGE", () => runtime.run(NOTHING));
  await rejectsWith("ERR_AXI_USAGE", () => runtime.runSync(NOTHING));

  const another = await createRuntime({ board: "virtual" });
  const closing = rejectsWith("ERR_AXI_ABORTED", () => another.run(NOTHING));
  await another.close();
  await closing;
});

test("an error of a script comes with code, place, cause and the host's stack", () =>
  onBoard(async (runtime) => {
    const source = `${WITH_PROXY}
UioDevice.open("Nothing");`;
    const error = await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () => runtime.run(temporaryFile("script.ts", source)));
    assert.is(error.kind, "device");
    assert.match(error.message, "AxiProxy:hpc (uio1)");
    assert.is(error.scriptStack[0]?.line, source.split("\n").length);
    assert.match(error.stack ?? "", "selectUioDevice");
    const trap = await rejectsWith("ERR_AXI_TRAP", () => runText("unreachable();"));
    assert.match((trap.cause as Error).message, "unreachable");
  }));

test("notes arrive while the script runs; a listener that throws ends it", () =>
  onBoard(async (runtime) => {
    const script = await compileScript(
      temporaryFile(
        "notes.ts",
        'import { note } from "axiscript/assembly"; let n = 0; while (true) note("note " + (n++).toString());',
      ),
    );
    const notes: string[] = [];
    const controller = new AbortController();
    const stopped = rejectsWith("ERR_AXI_ABORTED", () =>
      runtime.run(script, { signal: controller.signal, onNote: (note) => notes.push(note) }),
    );
    await until(() => notes.length > 500);
    controller.abort();
    await stopped;
    assert.equal(notes.slice(0, 3), ["note 0", "note 1", "note 2"]);

    const refuse = (note: string) => {
      throw new Error(`no ${note}`);
    };
    for (const run of [runtime.run.bind(runtime), runtime.runSync.bind(runtime)]) {
      try {
        await run(script, { onNote: refuse });
        assert.unreachable();
      } catch (error) {
        assert.match((error as Error).message, "no note 0");
      }
    }
  }));

test("a script that tells without end does not fill the memory of a program that does not listen", () =>
  onBoard(async (runtime) => {
    const source = `import { note } from "axiscript/assembly";
      while (true) { note("x".repeat(1000)); process.stdout.write("."); }`;
    const script = await compileScript(temporaryFile("notes.ts", source));
    const output = join(temporaryDirectory(), "stdout");
    const stdout = openSync(output, "w");
    let count = 0;
    const controller = new AbortController();
    const stopped = rejectsWith("ERR_AXI_ABORTED", () =>
      runtime.run(script, { signal: controller.signal, stdout, onNote: () => count++ }),
    );
    await until(() => count > 0);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
    const toldBytes = statSync(output).size;
    controller.abort();
    assert.ok(toldBytes - count <= 100, `${count} of ${toldBytes} notes were taken`);
    await stopped;
    closeSync(stdout);
  }));

test("runSync takes no source, and says what to do", () =>
  onBoard(async (runtime) => {
    const { message } = await rejectsWith("ERR_AXI_USAGE", () => runtime.runSync("script.ts"));
    assert.match(message, "compileScript");
    assert.is(runtime.runSync(NOTHING).exitCode, 0);
    assert.is(runtime.runSync(await compileScript(NOTHING)).exitCode, 0);
    await rejectsWith("ERR_AXI_TIMEOUT", () => runtime.runSync(SPIN, { timeoutMs: 50 }));
  }));

test("memory that a device may still be using outlives the run, its thread and the runtime", async () => {
  const runtime = await createRuntime({ board: "virtual", faults: { hpc: "never-done" } });
  const source = `${WITH_PROXY}
const xs = new CacheLineArray<i32>(1024);
const paddr = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(xs));
device.write32(0x40, <u32>paddr);
device.write32(0x44, <u32>(paddr >> 32));
device.write32(0x14, 1);
process.stdout.write("waiting\\n");
while (true) {}`;
  const notes: string[] = [];
  const pinned = pinnedKilobytes();
  await abortWhereItWaits(runtime, source, { onNote: (note) => notes.push(note) });
  assert.match(notes.join("\n"), /kept 4096 bytes pinned until this process ends: AxiProxy:hpc is still at work/);
  assert.is((await runtime.run(NOTHING)).exitCode, 0);
  await runtime.close();
  assert.ok(pinnedKilobytes() > pinned);
});

test("hundreds of runs leave no thread, no descriptor and no memory", () =>
  onBoard(async (runtime) => {
    const script = await compileScript(ENDLESS);
    const stdout = openSync("/dev/null", "w");
    const round = async (index: number) => {
      if (index % 3 === 0) await rejectsWith("ERR_AXI_TIMEOUT", () => runtime.run(script, { stdout, timeoutMs: 3 }));
      else assert.is((await runtime.run(script, { stdout, args: ["2"] })).exitCode, 0);
    };
    for (let index = 0; index < 60; index++) await round(index);
    const before = await settledResources();
    const threads = threadCount();
    const rss = process.memoryUsage.rss();
    for (let index = 0; index < 300; index++) await round(index);
    await assertNothingKept(before);
    assert.ok(threadCount() <= threads, `${threadCount()} threads, before ${threads}`);
    const grown = process.memoryUsage.rss() - rss;
    assert.ok(grown < 100 * 2 ** 20, `${grown} bytes more`);
    closeSync(stdout);
  }));

/** Runs a program that uses the library; `act` gets its output so far, and may send signals. */
function program(body: string, act: (child: ReturnType<typeof spawn>, stdout: string) => void = () => {}) {
  const source = `const { createRuntime } = require(${LIBRARY}); (async () => { ${body} })();`;
  const child = spawn(process.execPath, ["-e", source], { stdio: ["ignore", "pipe", "inherit"] });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    act(child, stdout);
  });
  const deadline = setTimeout(() => child.kill("SIGKILL"), 2 * DEADLINE_MS);
  return new Promise<{ status: number | null; signal: string | null; stdout: string; pid: number }>((resolve) => {
    child.once("close", (status, signal) => {
      clearTimeout(deadline);
      resolve({ status, signal, stdout, pid: child.pid ?? 0 });
    });
  });
}

test("a program that forgets its runtime ends all the same", async () => {
  const { status, stdout } = await program(`
    const runtime = await createRuntime({ board: "virtual" });
    await Promise.all([runtime.run(${JSON.stringify(NOTHING)}), runtime.run(${JSON.stringify(NOTHING)})]);
    console.log("done");`);
  assert.equal([status, stdout], [0, "done\n"]);
});

test("a program that ends in the middle of a run gives back what the script holds first", async () => {
  // The exit listener of the program's own comes after axiscript's, and sees what is pinned then.
  const { status, stdout } = await program(`
    const runtime = await createRuntime({ board: "virtual" });
    const pinned = () => Number(/VmPin:\\s+(\\d+)/.exec(require("node:fs").readFileSync("/proc/self/status", "utf8"))[1]);
    process.on("exit", () => console.log(pinned()));
    runtime.run(${JSON.stringify(ENDLESS)}, { stdout: require("node:fs").openSync("/dev/null", "w") }).catch(() => {});
    const look = setInterval(() => { if (pinned() > 0) process.exit(3); }, 1);
    setTimeout(() => process.exit(3), 20000);`);
  assert.equal([status, stdout], [3, "0\n"]);
});

test("signals are the program's own while a script runs beside it", async () => {
  const run = `
    const runtime = await createRuntime({ board: "virtual" });
    const running = runtime.run(${JSON.stringify(SPIN)}, { timeoutMs: 20000 }).catch((error) => console.log(error.code));
    setTimeout(() => console.log("running"), 200);`;
  const kill = (signal: NodeJS.Signals) => (child: ReturnType<typeof spawn>, stdout: string) => {
    if (stdout === "running\n") child.kill(signal);
  };
  assert.is((await program(run, kill("SIGTERM"))).signal, "SIGTERM");
  const handled = `process.once("SIGINT", async () => { console.log("mine"); await runtime.close(); });`;
  const { status, stdout } = await program(`${run} ${handled}`, kill("SIGINT"));
  assert.equal([status, stdout], [0, "running\nmine\nERR_AXI_ABORTED\n"]);
});

test("after kill -9 in the middle of a transfer the next run works on the same board", async () => {
  const sysroot = join(temporaryDirectory(), "board");
  for (let round = 0; round < 5; round++) {
    const run = `
      const runtime = await createRuntime({ board: "virtual", sysroot: ${JSON.stringify(sysroot)} });
      let rounds = 0;
      await runtime.run(${JSON.stringify(ENDLESS)}, { stdout: 1 });`;
    const { signal } = await program(run, (child, stdout) => {
      if (stdout.includes(`round ${3 + round}`)) child.kill("SIGKILL");
    });
    assert.is(signal, "SIGKILL");
    const runtime = await createRuntime({ board: "virtual", sysroot });
    const stdout = openSync("/dev/null", "w");
    assert.is((await runtime.run(ENDLESS, { stdout, args: ["3"] })).exitCode, 0);
    closeSync(stdout);
    await runtime.close();
  }
});

test.run();
