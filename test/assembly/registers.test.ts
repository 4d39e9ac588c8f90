import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compileScript, OPTIMIZATION_LEVELS } from "../../host/index";
import { runText, WITH_PROXY } from "../support/run-script";
import { temporaryFile } from "../support/temporary";

const test = suite("register helpers");

/** Two reads of one register whose values are not used, writes of the same value twice, and reads between them. */
const SOURCE = `
import { UioDevice } from "axiscript/assembly";
const device = UioDevice.open("X");
function access(): u32 {
  device.read32(0x10);
  device.read32(0x10);
  device.write32(0x14, 1);
  device.write32(0x14, 1);
  const status = device.read32(0x10);
  device.write32(0x40, 2);
  return status + device.read32(0x24);
}
if (access() != 7) unreachable();
`;
const EXPECTED = ["read 16", "read 16", "write 20 1", "write 20 1", "read 16", "write 64 2", "read 36"];

/** The calls of the host's functions in the text format, in order, outside the SDK: the register helpers are inlined. */
function callsInText(wat: string): string[] {
  const functions = wat.split(/^ \(func /m).filter((body) => !body.startsWith("$~lib/"));
  return functions.flatMap((body) =>
    [...body.matchAll(/call \$~lib\/axiscript\/assembly\/abi\/uio(Read|Write)32/g)].map(([, name = ""]) =>
      name.toLowerCase(),
    ),
  );
}

/** What a run asks of the gate, in order. */
function recordedAccesses(wasm: Uint8Array): string[] {
  const record: string[] = [];
  const imports = {
    env: { memory: new WebAssembly.Memory({ initial: 16 }), abort: () => assert.unreachable("aborted") },
    "axiscript:error@1": { raise: () => assert.unreachable("raised") },
    "axiscript:uio@1": {
      open: () => 0,
      read32: (_window: number, offset: number) => {
        record.push(`read ${offset}`);
        return offset === 0x24 ? 3 : 4;
      },
      write32: (_window: number, offset: number, value: number) => record.push(`write ${offset} ${value}`),
    },
  };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm), imports);
  (instance.exports["_start"] as () => void)();
  return record;
}

for (const optimize of OPTIMIZATION_LEVELS) {
  test(`each access is made once and in order, at -O${optimize}`, async () => {
    let wat = "";
    const { wasm } = await compileScript(temporaryFile("registers.ts", SOURCE), {
      optimize,
      textFormat: (text) => {
        wat = text;
      },
    });
    assert.equal(
      callsInText(wat),
      EXPECTED.map((access) => access.split(" ")[0]),
    );
    assert.equal(recordedAccesses(wasm), EXPECTED);
  });
}

for (const optimize of OPTIMIZATION_LEVELS) {
  test(`a polling loop ends, at -O${optimize}`, async () => {
    const source = `${WITH_PROXY}
const target = new VirtualToPhysical().getPhysicalAddress(virtualAddressOf(new CacheLineArray<i32>(16)));
device.write32(0x40, <u32>target); device.write32(0x44, <u32>(target >> 32));
device.write32(0x14, 2);
let polls = 0;
while ((device.read32(0x10) & 2) == 0) polls++;
console.log("done");`;
    assert.is((await runText(source, { optimize }, { timeoutMs: 10_000 })).stdout, "done\n");
  });
}

test.run();
