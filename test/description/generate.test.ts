import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseDescription } from "../../host/description/description-file";
import { compileScript, generateRegisters, OPTIMIZATION_LEVELS, readDeviceDescription } from "../../host/index";
import { PACKAGE } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { temporaryDirectory } from "../support/temporary";

const test = suite("register classes");

for (const name of readdirSync(join(PACKAGE, "assembly/registers"))) {
  test(`assembly/registers/${name} is what its description says (npm run registers)`, () => {
    const description = readDeviceDescription(join(PACKAGE, "devices", name.replace(/\.ts$/, ".json")));
    const text = readFileSync(join(PACKAGE, "assembly/registers", name), "utf8");
    assert.is(generateRegisters(description, { importFrom: "../uio" }), text);
  });
}

/** Every kind of register and field. */
const DEVICE = JSON.stringify({
  kind: "Thing",
  summary: 'Has it all: "quotes", a */ and\nnew lines.',
  match: { uioNames: ["thing"] },
  registers: [
    { name: "ID", offset: 0, access: "RO" },
    {
      name: "STATUS",
      offset: 4,
      access: "RO",
      fields: [
        { name: "BUSY", bits: 0 },
        { name: "LEVEL", bits: "11:4" },
        { name: "TOP", bits: "31:30" },
      ],
    },
    {
      name: "FLAGS",
      offset: 8,
      access: "RW",
      fields: [
        { name: "OVER", bits: 0, access: "W1C" },
        { name: "GO", bits: 4, access: "pulse" },
      ],
    },
    {
      name: "SETUP",
      offset: 12,
      access: "RW",
      fields: [
        { name: "ON", bits: 0, values: { No: 0, Yes: 1 } },
        { name: "MODE", bits: "3:1", values: { Slow: 0, Fast: 5 } },
        { name: "SEEN", bits: 8, access: "W1C" },
        { name: "KICK", bits: 9, access: "pulse" },
      ],
    },
    { name: "PLAIN", offset: 16, access: "RW" },
    { name: "KEY", offset: 20, access: "WO" },
    { name: "FIFO", offset: 24, access: "RO", readSideEffect: "takes a word out" },
    { name: "DATA", offset: 28, access: "RW", readSideEffect: "takes a word out" },
    { name: "LANE", offset: 32, access: "RW", count: 3, strideBytes: 8, fields: [{ name: "GAIN", bits: "7:0" }] },
    { name: "WIDE", offset: 64, access: "RW", widthBits: 64 },
    {
      name: "STAMP",
      offset: 72,
      access: "RW",
      widthBits: 64,
      fields: [
        { name: "NANOSECONDS", bits: "29:0" },
        { name: "SECONDS", bits: "62:30" },
        { name: "VALID", bits: 63 },
      ],
    },
  ],
  memories: [{ name: "TABLE", offset: 256, lengthBytes: 64 }],
  dma: "none",
});

/** Each statement, and the accesses that it makes. A read gives what was written there last, or the offset. */
const STATEMENTS: readonly (readonly [string, ...string[]])[] = [
  ["assert(r.ID == 0);", "read32 0"],
  ["r.write(4, 0xc0000a51);"],
  ["const s = r.STATUS; assert(s.BUSY && s.LEVEL == 0xa5 && s.TOP == 3 && s.value == 0xc0000a51);", "read32 4"],
  ["assert(!r.STATUS.BUSY || r.STATUS.LEVEL == 0xa5);", "read32 4", "read32 4"],
  ["assert(r.pollSTATUS(ThingSTATUS.BUSY | ThingSTATUS.LEVEL_MASK, 0xa51, 7));", "poll32 4 4081 2641 7"],
  ["r.clearFLAGS_OVER();", "write32 8 1"],
  ["r.pulseFLAGS_GO(); r.pulseFLAGS_GO();", "write32 8 16", "write32 8 16"],
  ["r.writeFLAGS(ThingFLAGS.OVER | ThingFLAGS.GO);", "write32 8 17"],
  ["r.writeSETUP(ThingSETUP.ON | ThingSETUP.MODE(ThingSETUP.MODE_Fast));", "write32 12 11"],
  ["assert(r.SETUP.ON == ThingSETUP.ON_Yes && r.SETUP.MODE == 5);", "read32 12", "read32 12"],
  ["r.write(12, 0xffffffff); r.modifySETUP_MODE(2);", "read32 12", "write32 12 4294966517"],
  ["r.write(12, 0xffffffff); r.modifySETUP_ON(false);", "read32 12", "write32 12 4294966526"],
  ["r.write(12, 0xf0000301); r.modifySETUP_SEEN();", "read32 12", "write32 12 4026532097"],
  ["r.write(12, 0xf0000301); r.modifySETUP_KICK();", "read32 12", "write32 12 4026532353"],
  ["r.PLAIN = 7; assert(r.PLAIN == 7);", "write32 16 7", "read32 16"],
  ["r.writeKEY(8);", "write32 20 8"],
  ["r.readFIFO(); r.readFIFO();", "read32 24", "read32 24"],
  ["r.writeDATA(3); assert(r.readDATA() == 3);", "write32 28 3", "read32 28"],
  ["r.writeLANE(2, ThingLANE.GAIN(0xff)); assert(r.readLANE(2).GAIN == 0xff);", "write32 48 255", "read32 48"],
  ["for (let i = 0; i < ThingRegisters.LANE_COUNT; i++) r.readLANE(i);", "read32 32", "read32 40", "read32 48"],
  ["r.WIDE = 0x123456789abcdef0; assert(r.WIDE == 0x123456789abcdef0);", "write64 64 1311768467463790320", "read64 64"],
  [
    "r.writeSTAMP(ThingSTAMP.SECONDS(9) | ThingSTAMP.NANOSECONDS(8) | ThingSTAMP.VALID);",
    `write64 72 ${(1n << 63n) | (9n << 30n) | 8n}`,
  ],
  [
    "const t = r.STAMP; assert(ThingSTAMP.SECONDS_of(t) == 9 && ThingSTAMP.NANOSECONDS_of(t) == 8 && ThingSTAMP.VALID_of(t));",
    "read64 72",
  ],
  ["r.modifySTAMP_SECONDS(1);", "read64 72", `write64 72 ${(1n << 63n) | (1n << 30n) | 8n}`],
  ["r.readTABLE(new StaticArray<u32>(2), 8);", "read_block 264 8"],
  ["r.writeTABLE(new StaticArray<u32>(3));", "write_block 256 12"],
  ["assert(ThingRegisters.STATUS_OFFSET == 4 && ThingRegisters.LANE_STRIDE == 8 && ThingRegisters.TABLE_BYTES == 64);"],
];

function project(script: string): string {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "thing.ts"), generateRegisters(parseDescription(DEVICE, "thing.json")));
  const names = ["Registers", "STATUS", "FLAGS", "SETUP", "LANE", "STAMP"].map((name) => `Thing${name}`).join(", ");
  writeFileSync(
    join(directory, "script.ts"),
    `import { UioDevice } from "axiscript/assembly";\nimport { ${names} } from "./thing";\n${script}`,
  );
  return directory;
}

/** A script that makes all accesses; `r.write` puts a value into a register and is not recorded. */
const SCRIPT = `
class Registers extends ThingRegisters {
  write(offset: u32, value: u32): void { this.device.poll32(offset, 0, value, -1); }
}
const r = new Registers(UioDevice.open("thing"));
${STATEMENTS.map(([statement]) => `{ ${statement} }`).join("\n")}
`;

/** What a run asks of the gate, in order. */
function recordedAccesses(wasm: Uint8Array): string[] {
  const record: string[] = [];
  const values = new Map<number, number | bigint>();
  const imports = {
    env: { memory: new WebAssembly.Memory({ initial: 16 }), abort: () => assert.unreachable("aborted") },
    "axiscript:error@1": { raise: () => assert.unreachable("raised") },
    "axiscript:uio@1": {
      open: () => 0,
      read32: (_: number, offset: number) => {
        record.push(`read32 ${offset}`);
        return values.get(offset) ?? offset;
      },
      write32: (_: number, offset: number, value: number) => {
        record.push(`write32 ${offset} ${value >>> 0}`);
        values.set(offset, value);
      },
      read64: (_: number, offset: number) => {
        record.push(`read64 ${offset}`);
        return values.get(offset);
      },
      write64: (_: number, offset: number, value: bigint) => {
        record.push(`write64 ${offset} ${BigInt.asUintN(64, value)}`);
        values.set(offset, value);
      },
      poll32: (_: number, offset: number, mask: number, value: number, timeoutMs: number) => {
        if (timeoutMs < 0) values.set(offset, value);
        else record.push(`poll32 ${offset} ${mask} ${value} ${timeoutMs}`);
        return 0;
      },
      read_block: (_: number, offset: number, _at: number, bytes: number) =>
        record.push(`read_block ${offset} ${bytes}`),
      write_block: (_: number, offset: number, _at: number, bytes: number) =>
        record.push(`write_block ${offset} ${bytes}`),
    },
  };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm), imports);
  (instance.exports["_start"] as () => void)();
  return record;
}

for (const optimize of OPTIMIZATION_LEVELS) {
  test(`each member makes its accesses, once and in order, at -O${optimize}`, async () => {
    const { wasm } = await compileScript(join(project(SCRIPT), "script.ts"), { optimize, cacheDirectory: false });
    assert.equal(
      recordedAccesses(wasm),
      STATEMENTS.flatMap(([, ...accesses]) => accesses),
    );
  });
}

for (const [statement, why] of [
  ["r.ID = 1;", "a register that is RO has no setter"],
  ["const key = r.KEY;", "a register that is WO has no getter"],
  ["const word = r.FIFO;", "a register whose reading has side effects has no getter"],
  ["r.SETUP = 1;", "a register with fields is not assigned to"],
  ["r.clearSETUP_SEEN();", "a bit is not written alone where the others keep values"],
  ["r.modifyFLAGS_OVER();", "what can be written alone is not read first"],
]) {
  test(`${statement} does not compile: ${why}`, async () => {
    const directory = project(`const r = new ThingRegisters(UioDevice.open("thing")); ${statement}`);
    await rejectsWith("ERR_AXI_COMPILE", () =>
      compileScript(join(directory, "script.ts"), { optimize: "0", cacheDirectory: false }),
    );
  });
}

for (const [statement, message] of [
  ["r.readLANE(3);", /LANE has 3 registers/],
  ["r.readLANE(-1);", /LANE has 3 registers/],
  ["r.modifySETUP_MODE(8);", /SETUP\.MODE is 0 to 7/],
  ["r.writeLANE(0, ThingLANE.GAIN(256));", /LANE\.GAIN is 0 to 255/],
] as const) {
  test(`${statement} aborts before the device is touched`, async () => {
    const directory = project(`const r = new ThingRegisters(UioDevice.open("thing")); ${statement}`);
    const { wasm } = await compileScript(join(directory, "script.ts"), { cacheDirectory: false });
    let said = "";
    const memory = new WebAssembly.Memory({ initial: 16 });
    const untouched = () => assert.unreachable("touched");
    const imports = {
      env: {
        memory,
        abort: (text: number) => {
          const bytes = Buffer.from(memory.buffer);
          said = bytes.toString("utf16le", text, text + bytes.readUInt32LE(text - 4));
          throw new Error("aborted");
        },
      },
      "axiscript:error@1": { raise: untouched },
      "axiscript:uio@1": { open: () => 0, read32: untouched, write32: untouched },
    };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm), imports);
    assert.throws(() => (instance.exports["_start"] as () => void)(), "aborted");
    assert.match(said, message);
  });
}

test("what is generated passes an editor's type checker", () => {
  const directory = project(SCRIPT);
  const tsconfig = {
    extends: join(PACKAGE, "tsconfig.script.json"),
    compilerOptions: { paths: { "axiscript/assembly": [join(PACKAGE, "assembly/index.ts")] } },
    include: ["*.ts"],
  };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(tsconfig));
  const compiler = join(PACKAGE, "node_modules/typescript/bin/tsc");
  const { stdout, status } = spawnSync(process.execPath, [compiler, "--project", directory], { encoding: "utf8" });
  assert.is(stdout, "");
  assert.is(status, 0);
});

test("the same description gives the same text, whatever its file's directory", () => {
  const text = generateRegisters(parseDescription(DEVICE, "/somewhere/thing.json"));
  assert.is(generateRegisters(parseDescription(DEVICE, "thing.json")), text);
  assert.match(text, "Generated by `axiscript generate` from thing.json");
  assert.match(text, 'Has it all: "quotes", a * / and new lines.');
});

test("names that would clash in the class are refused", async () => {
  const clashing = (name: string) => parseDescription(DEVICE.replaceAll('"PLAIN"', JSON.stringify(name)), "thing.json");
  for (const name of ["device", "readFIFO", "pollSTATUS", "modifySETUP_ON", "constructor"]) {
    const { message } = await rejectsWith("ERR_AXI_DESCRIPTION", () => generateRegisters(clashing(name)));
    assert.match(message, name);
  }
});

test.run();
