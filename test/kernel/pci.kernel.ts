import { readSync, writeSync } from "node:fs";
import * as assert from "uvu/assert";
import { readmeBlocks } from "../support/readme";
import type { PciCore } from "./fabric";
import type { Guest } from "./guest";
import { GUEST_PACKAGE } from "./image";
import type { StrayReports } from "./strays";
import { BIND_CORES, EDU_ADDRESS, GUEST_DEVICES, guestSuite, WITH_EDU } from "./support";

const CORES: readonly PciCore[] = [
  { kind: "axi-proxy", port: "hp", slot: 4 },
  { kind: "axi-proxy", port: "hpc", slot: 5 },
  { kind: "axi-proxy", port: "acp", slot: 6 },
  { kind: "axi-traffic-gen", port: "hpc", slot: 7 },
];
const SCRIPTS = ["edu", "seen-from-outside", "stray"].map((name) => `test/scripts/${name}.ts`);
const RUN = `axiscript run --devices ${GUEST_DEVICES} -A`;
/** A transfer that is allowed. */
const OWN = "/root/stray.wasm AxiProxy write 64 0 start 0 0 1 own";
/** Prints how many threads there are more once a virtual board has been prepared. */
const PREPARE = `node -e '
  const threads = () => require("fs").readdirSync("/proc/self/task").length;
  const { prepareVirtualBoard } = require("${GUEST_PACKAGE}");
  const before = threads();
  prepareVirtualBoard();
  console.log(threads() - before);
'`;
const USER = 1000;
const BUS_MASTER = 1 << 2;
const STRAYS_DEADLINE_MS = 400_000;

const { test, run } = guestSuite("PCI devices under the stock kernel", {
  cores: CORES,
  ...WITH_EDU,
  scripts: ["examples/numpy-acceleration.ts", ...SCRIPTS],
});

/** The command register of a PCI device. */
async function commandOf(guest: Guest, address: string): Promise<number> {
  const text = await guest.succeed(`od -An -tu2 -j4 -N2 /sys/bus/pci/devices/${address}/config`);
  return Number(text);
}

test("devices whose driver offers a BAR as a map have the names of their descriptions", async (guest) => {
  const unbound = await guest.run(`${RUN} --board=linux ${OWN}`);
  assert.match(unbound.stderr, "echo 1af4 1110 > /sys/bus/pci/drivers/uio_pci_generic/new_id");
  assert.is(await guest.succeed(PREPARE), "1\n");
  await guest.succeed(BIND_CORES);
  assert.is(await guest.succeed(PREPARE), "0\n");
  const devices = await guest.succeed(`axiscript devices --devices ${GUEST_DEVICES}`);
  for (const { kind, port } of CORES) {
    assert.match(devices, `${kind === "axi-proxy" ? "AxiProxy" : "AxiTrafficGen"}:${port}\n`);
  }
  assert.match(await guest.succeed(`axiscript peek --devices ${GUEST_DEVICES} AxiProxy:hpc ID_REG`), "0xa8122081");
});

test("a device that others wrote takes a description alone; it interrupts, and is no bus master", async (guest) => {
  const [bind = ""] = readmeBlocks("sh", "docs/devices.md");
  await guest.succeed(bind);
  assert.is(
    await guest.succeed(`${RUN} edu.wasm`),
    "liveness 0xedcba987\nraised 1\nraised 2\nraised 3\nfactorial 3628800\ndisabled -1\n",
  );
  assert.is((await commandOf(guest, EDU_ADDRESS)) & BUS_MASTER, 0);
  const { status, stderr } = await guest.run("axiscript run -A edu.wasm");
  assert.is(status, 1);
  assert.match(stderr, "ERR_AXI_NO_SUCH_DEVICE");
});

test("numpy-acceleration says what it says on the virtual board, but for the FPGA manager", async (guest, fabric) => {
  const already = fabric.transfers.length;
  assert.is((await commandOf(guest, "0000:00:05.0")) & BUS_MASTER, 0);
  const lines = (await guest.succeed(`${RUN} numpy-acceleration.wasm`)).trimEnd().split("\n");
  const address = lines[5]?.split(" -> ")[1] ?? "";
  const output = lines
    .join("\n")
    .replaceAll(/0x[0-9a-f]{6,}/g, "ADDRESS")
    .replaceAll(/\d+ cycles/g, "N cycles");
  assert.is(
    output,
    [
      "No FPGA manager.",
      "INFO:AxiProxy:id  = a8122081",
      "INFO:AxiProxy:ver = 00000301",
      `[${Array.from({ length: 16 }, (_, i) => i).join(", ")}]`,
      "Data virtual addr = ADDRESS",
      "ADDRESS -> ADDRESS",
      "Read duration N cycles",
      "[0, 1, 2, 3]",
      "Write duration N cycles",
      `[100, 200, 300, 400${", 0".repeat(12)}]`,
    ].join("\n"),
  );
  const transfers = fabric.transfers.slice(already);
  assert.equal(
    transfers.map(({ direction, physicalAddress, response }) => [direction, physicalAddress, response]),
    [
      ["read", Number(address), "OKAY"],
      ["write", Number(address), "OKAY"],
    ],
  );
  assert.is((await commandOf(guest, "0000:00:05.0")) & BUS_MASTER, BUS_MASTER);
});

test("what a script says of its physical addresses is true for who looks from outside while it runs", async (guest) => {
  let looked = false;
  const look = (stdout: string) => {
    if (looked || !stdout.includes("look\n")) return;
    looked = true;
    let at = 0;
    for (const [, address, length] of stdout.matchAll(/segment (\d+) (\d+)/g)) {
      const bytes = Buffer.alloc(Number(length));
      readSync(guest.memoryFd, bytes, 0, bytes.length, Number(address));
      const expected = Buffer.from(Array.from(bytes, (_, i) => (at + i) * 7 + ((at + i) >> 8)));
      assert.ok(bytes.equals(expected), `segment at ${address}`);
      writeSync(
        guest.memoryFd,
        bytes.map((byte) => ~byte),
        0,
        bytes.length,
        Number(address),
      );
      at += bytes.length;
    }
    assert.is(at, 3 * 4096 + 128);
  };
  assert.match(await guest.succeed(`${RUN} seen-from-outside.wasm`, { onOutput: look }), /answered\n$/);
});

test("an ordinary user may be given a device, and does not see physical addresses", async (guest) => {
  const unable = await guest.run(`${RUN} ${OWN}`, { user: USER });
  assert.match(unable.stderr, "ERR_AXI_NO_PAGE_FRAME_NUMBERS");
  const peek = `axiscript peek --devices ${GUEST_DEVICES} AxiProxy:hpc ID_REG`;
  assert.match((await guest.run(peek, { user: USER })).stderr, "ERR_AXI_DEVICE_ACCESS");
  await guest.succeed("chgrp user /dev/uio1; chmod 660 /dev/uio1");
  assert.match(await guest.succeed(peek, { user: USER }), "0xa8122081");
});

test("a transfer beside granted memory, of another process or of what was freed is refused, and no device sees it", async (guest, fabric) => {
  const already = fabric.transfers.length;
  const strays = `node ${GUEST_PACKAGE}/dist/test/kernel/strays.js ${GUEST_DEVICES} stray.wasm`;
  const reports = JSON.parse(await guest.succeed(strays, { deadlineMs: STRAYS_DEADLINE_MS })) as StrayReports;
  for (const [kind, count] of [
    ["AxiProxy", 38],
    ["AxiTrafficGen", 51],
  ] as const) {
    const { refused, own, others } = reports[kind];
    assert.equal(others, []);
    assert.is(refused + own.length, count);
    assert.ok(own.length < count / 4, own.join("\n"));
  }
  assert.ok(reports.isForeignUnchanged);
  // Of the script's own memory: before that was freed, of either device three times, and those that came last.
  assert.equal(
    fabric.transfers.slice(already).map(({ core, direction, response }) => `${core} ${direction} ${response}`),
    ["axi-proxy@5000", "axi-traffic-gen@7000"].flatMap((core) =>
      ["write", "read", "write", "write", "read"].map((direction) => `${core} ${direction} OKAY`),
    ),
  );
});

run();
