import { suite } from "uvu";
import * as assert from "uvu/assert";
import { rejectsWith } from "../support/expect";
import { runText, WITH_PROXY } from "../support/run-script";

const test = suite("SDK");

test("a CacheLineArray lies on whole cache lines of its own, whatever its length and type", async () => {
  const { stdout } = await runText(`${WITH_PROXY}
function check<T>(): void {
  for (let length = 0; length < 70; length++) {
    const before = heap.alloc(16);
    const array = new CacheLineArray<T>(length);
    const after = heap.alloc(16);
    assert(array.dataStart % 64 == 0);
    assert(array.length == length);
    const end = (array.dataStart + <usize>max<i32>(length * <i32>sizeof<T>(), 1) + 63) & ~63;
    assert(before + 16 <= array.dataStart || before >= end);
    assert(after >= end || after + 16 <= array.dataStart);
    for (let i = 0; i < length; i++) { assert(array[i] == 0); array[i] = <T>i; }
    for (let i = 0; i < length; i++) assert(array[i] == <T>i);
    for (let at = array.dataStart; at < end; at++) store<u8>(at, 0xff);
    heap.free(before); heap.free(after);
    if (length % 2) array.free();
  }
}
check<u8>(); check<i32>(); check<u64>(); check<f32>(); check<f64>();
__collect();
const xs = CacheLineArray.arange<f64>(4);
console.log(xs.toString() + list(StaticArray.fromArray<u8>([1, 2])) + hex(0xabcdef0123456789));
`);
  assert.is(stdout, "[0.0, 1.0, 2.0, 3.0][1, 2]0xabcdef0123456789\n");
});

for (const statement of [
  "xs[4] = 1;",
  "xs[-1] = 1;",
  "xs.free(); xs[0] = 1;",
  "new CacheLineArray<i32>(-1);",
  "new CacheLineArray<u64>(0x7fffffff);",
]) {
  test(`${statement} aborts`, async () => {
    await rejectsWith("ERR_AXI_ABORT", () =>
      runText(`${WITH_PROXY}const xs = new CacheLineArray<i32>(4); ${statement}`),
    );
  });
}

test("virtual addresses follow pointers, for every kind of array", async () => {
  const { stdout } = await runText(`${WITH_PROXY}
const base = virtualAddressOf<usize>(0);
const array: i32[] = [1, 2, 3];
const fixed = StaticArray.fromArray<i32>([4, 5, 6]);
const typed = new Float64Array(3);
const buffer = new ArrayBuffer(100);
const lines = new CacheLineArray<i32>(3);
typed[0] = 7.0;
assert(load<i32>(<usize>(virtualAddressOf(array) - base)) == 1);
assert(load<i32>(<usize>(virtualAddressOf(fixed) - base)) == 4);
assert(load<f64>(<usize>(virtualAddressOf(typed) - base)) == 7.0);
assert(virtualAddressOf(buffer) - base == changetype<usize>(buffer));
assert(virtualAddressOf(lines) - base == lines.dataStart);
const vtp = new VirtualToPhysical();
assert(vtp.getPhysicalAddress(base + 0x345) == vtp.getPhysicalAddress(base) + 0x345);
console.log("fine");`);
  assert.is(stdout, "fine\n");
});

for (const address of [
  "0",
  "0x1000",
  "virtualAddressOf<usize>(0) - 1",
  "virtualAddressOf<usize>(0) + (<u64>memory.size() << 16)",
  "u64.MAX_VALUE",
]) {
  test(`the physical address of ${address} is refused: the page is not present`, async () => {
    const source = `${WITH_PROXY}new VirtualToPhysical().getPhysicalAddress(${address});`;
    assert.match((await rejectsWith("ERR_AXI_PAGE_NOT_PRESENT", () => runText(source))).message, "not present");
  });
}

test("logs in the notebook's format, from the level that was set", async () => {
  const { stdout } = await runText(`
import { Logger, logging } from "axiscript/assembly";
const logger = new Logger("name");
logger.info("hidden"); logger.warning("shown");
logging.basicConfig(logging.DEBUG);
logger.debug("d"); logger.info("i"); logger.error("e"); logger.critical("c");`);
  assert.is(stdout, "WARNING:name:shown\nDEBUG:name:d\nINFO:name:i\nERROR:name:e\nCRITICAL:name:c\n");
});

test("a device that does not exist is refused, before and after programming", async () => {
  const before = await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () =>
    runText('import { UioDevice } from "axiscript/assembly"; UioDevice.open("AxiProxy", "hpc");'),
  );
  assert.match(before.message, "is the FPGA programmed?");
  const after = await rejectsWith("ERR_AXI_NO_SUCH_DEVICE", () =>
    runText(`${WITH_PROXY}UioDevice.open("AxiProxy", "gp");`),
  );
  assert.match(after.message, "AxiProxy:hp (uio0), AxiProxy:hpc (uio1), AxiProxy:acp (uio2)");
});

test("a closed device cannot be used, nor closed twice", async () => {
  await rejectsWith("ERR_AXI_GATE", () => runText(`${WITH_PROXY}device.close(); device.read32(0);`));
  await rejectsWith("ERR_AXI_BAD_ARGUMENT", () => runText(`${WITH_PROXY}device.close(); device.close();`));
});

test("the FPGA manager tells its state, programs, removes and programs again", async () => {
  const { stdout } = await runText(`${WITH_PROXY}
console.log(fpga.state + " " + device.lengthBytes.toString() + " " + device.toString());
device.close();
fpga.remove();
console.log(fpga.isProgrammed().toString() + " " + fpga.state);
fpga.programBitstream(firmware + ".bit.bin", firmware + ".dtbo");
console.log(hex(UioDevice.open("AxiProxy", "acp").read32(0)));`);
  assert.is(stdout, "operating 4096 AxiProxy:hpc\nfalse operating\n0xa8122081\n");
});

test.run();
