import { suite } from "uvu";
import * as assert from "uvu/assert";
import { axiscript } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { runText, WITH_PROXY } from "../support/run-script";
import { temporaryFile } from "../support/temporary";

const test = suite("interrupts in scripts");

const WITH_TIMER = `
import { AxiTimer, FpgaManager, UioDevice } from "axiscript/assembly";
const fpga = new FpgaManager();
const firmware = "/lib/firmware/xilinx/axi_timer/axi_timer";
if (!fpga.isProgrammed()) fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
const device = UioDevice.open("AxiTimer");
const timer = new AxiTimer(device);
const MS: u32 = 100_000;
const LONG_MS: i32 = 10_000;
`;

test("none before the timer is started; acknowledged, then enabled, the next one comes", async () => {
  const { stdout } = await runText(`${WITH_TIMER}
console.log(device.waitInterrupt(20).toString());
timer.start(MS);
for (let i = 0; i < 5; i++) {
  console.log(device.waitInterrupt(LONG_MS).toString());
  assert(timer.expired);
  timer.acknowledge();
  device.enableInterrupt();
}
timer.stop();`);
  assert.is(stdout, "-1\n1\n2\n3\n4\n5\n");
});

test("enabled without being acknowledged, it comes again at once; not enabled, it does not", async () => {
  const { stdout } = await runText(`${WITH_TIMER}
timer.start(MS, false);
console.log(device.waitInterrupt(LONG_MS).toString());
device.enableInterrupt();
console.log(device.waitInterrupt(LONG_MS).toString());
console.log(device.waitInterrupt(20).toString());
timer.acknowledge();
timer.start(MS, false);
console.log(device.waitInterrupt(20).toString());
device.enableInterrupt();
console.log(device.waitInterrupt(LONG_MS).toString());`);
  assert.is(stdout, "1\n2\n-1\n-1\n3\n");
});

test("disabled, it does not come until it is enabled", async () => {
  const { stdout } = await runText(`${WITH_TIMER}
device.disableInterrupt();
timer.start(MS, false);
console.log(device.waitInterrupt(30).toString());
assert(timer.expired);
device.enableInterrupt();
console.log(device.waitInterrupt(LONG_MS).toString());`);
  assert.is(stdout, "-1\n1\n");
});

test("both timers of the core share the interrupt; a timer stops, and starts from the beginning", async () => {
  const { stdout } = await runText(`${WITH_TIMER}
const second = new AxiTimer(device, 1);
second.start(MS, false);
assert(device.waitInterrupt(LONG_MS) == 1);
assert(second.expired && !timer.expired);
second.stop();
assert(!second.expired);
timer.start(0xffffffff);
const before = timer.remaining;
assert(before > 0xf0000000);
timer.start(1000 * MS);
assert(timer.remaining <= 1000 * MS);
timer.stop();
const rest = timer.remaining;
assert(device.waitInterrupt(20) == -1);
assert(timer.remaining == rest);
console.log("fine");`);
  assert.is(stdout, "fine\n");
});

test("a script that waits is stopped by its time limit, soon", async () => {
  const started = performance.now();
  await rejectsWith("ERR_AXI_TIMEOUT", () =>
    runText(`${WITH_TIMER}device.waitInterrupt(0x7fffffff);`, {}, { timeoutMs: 1000 }),
  );
  assert.ok(performance.now() - started >= 1000);
});

test("a script that waits is stopped by Ctrl-C, and leaves nothing", async () => {
  const source = `${WITH_TIMER}console.log("waiting"); device.waitInterrupt(0x7fffffff);`;
  let sent = false;
  const result = await axiscript(["run", "--board=virtual", temporaryFile("wait.ts", source)], {
    onOutput: (stdout, child) => {
      if (sent || !stdout.includes("waiting")) return;
      sent = true;
      child.kill("SIGINT");
    },
  });
  assert.is(result.status, 130, result.stderr);
  assert.equal(result.leftBehind, []);
});

test("a device without an interrupt, and arguments that make no sense, are refused", async () => {
  for (const call of ["waitInterrupt(1000)", "enableInterrupt()", "disableInterrupt()"]) {
    const { message } = await rejectsWith("ERR_AXI_NO_INTERRUPT", () => runText(`${WITH_PROXY}device.${call};`));
    assert.match(message, "AxiProxy:hpc");
    await rejectsWith("ERR_AXI_BAD_ARGUMENT", () => runText(`${WITH_PROXY}device.close(); device.${call};`));
  }
  for (const statement of ["timer.start(1);", "new AxiTimer(device, 2);", "new AxiTimer(device, -1);"]) {
    await rejectsWith("ERR_AXI_BAD_ARGUMENT", () => runText(`${WITH_TIMER}${statement}`));
  }
});

test.run();
