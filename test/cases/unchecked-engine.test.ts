import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runCase } from "../support/case";

const test = suite("an engine that cannot be described");

const CORE = {
  kind: "lists",
  model: `export default { kind: "lists", uioName: "Lists", registerBytes: 0x10, handshake: [0x04, 0x00],
  cores: [{ address: 0xa0100000, port: "hpc" }],
  create: () => {
    const words = new Map();
    return {
      regRead: (offset) => offset === 4 ? 1 : words.get(offset) ?? 0,
      regWrite: (offset, value) => void words.set(offset, value),
    };
  } };`,
  description: {
    ...{ kind: "Lists", summary: "Fetches lists of transfers.", match: { uioNames: ["Lists"] } },
    registers: [
      { name: "TAIL", offset: 0, access: "RW" },
      { name: "STATUS", offset: 4, access: "RO", fields: [{ name: "IDLE", bits: 0 }] },
    ],
    ...{ dma: "unchecked", idle: [{ "STATUS.IDLE": 1 }] },
  },
};
const ALLOWED = { device: ["Lists"], fpga: true, dma: true, physicalAddresses: true } as const;
const WRITE = `
const lists = UioDevice.open("Lists");
const buffer = DmaBuffer.alloc(4096);
lists.write32(0, <u32>buffer.segments[0].physicalAddress);
buffer.free();
console.log("freed");
`;

test("opening it takes the permission for transfers that nobody checks", async () => {
  const { error, stdout } = await runCase({ ...CORE, script: WRITE, permissions: { allow: ALLOWED } });
  assert.match(error ?? "", /^ERR_AXI_NOT_ALLOWED: .*--allow-unchecked-dma=Lists/);
  assert.is(stdout, "");
});

test("with it, nothing is held back, memory is given back when it has been idle for a while, and access is checked", async () => {
  const permissions = { allow: { ...ALLOWED, uncheckedDma: ["Lists"] } };
  const good = await runCase({ ...CORE, script: WRITE, permissions });
  assert.is(good.error, undefined);
  assert.is(good.stdout, "freed\n");
  assert.not.match(good.notes.join("\n"), "kept");
  const bad = await runCase({ ...CORE, script: `${WRITE}lists.write32(4, 0);`, permissions });
  assert.match(bad.error ?? "", /^ERR_AXI_GATE: Cannot write register STATUS .*read-only/);
});

test.run();
