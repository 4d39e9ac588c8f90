import * as assert from "uvu/assert";
import { readmeBlock, readmeBlocks } from "../support/readme";
import { readUnit, udevScript, unitCommand } from "./board-setup";
import { findings } from "./findings";
import type { Guest, JobResult } from "./guest";
import { GUEST_PACKAGE } from "./image";
import { EDU_ADDRESS, GUEST_DEVICES, guestSuite, WITH_EDU } from "./support";

const UNIT = readmeBlock("ini");
const RULES = readmeBlock("udev");
const [BIND = "", UNBIND = "", USERS = "", ...OTHERS] = readmeBlocks("sh");

const { test, run } = guestSuite("settings under a later kernel", {
  series: "later",
  bootArguments: readmeBlock("bootargs").trim(),
  cores: [{ kind: "axi-traffic-gen", port: "hpc", slot: 7 }],
  ...WITH_EDU,
  scripts: ["traffic", "edu", "exhaust"].map((name) => `test/scripts/${name}.ts`),
});

/** What the unit runs, where it has it. */
const INSTALL = `
mkdir -p /opt/accelerator/node_modules/.bin
ln -s ${GUEST_PACKAGE}/dist/host/cli/main.js /opt/accelerator/node_modules/.bin/axiscript
cp /root/traffic.wasm /opt/accelerator/script.wasm
`;

/** Runs a script as the unit runs its own. */
function runAsUnit(guest: Guest, instead: Parameters<typeof unitCommand>[1] = {}): Promise<JobResult> {
  return guest.run(unitCommand(UNIT, instead));
}

/** The unit's command, with other arguments for `axiscript`. */
function commandWith(args: string): string {
  return `${/^\S+/.exec(readUnit(UNIT).ExecStart)?.[0]} ${args}`;
}

test("the README's boot arguments reserve huge pages, and set transparent ones", async (guest) => {
  const found = await findings(guest, "axiscript doctor --json");
  assert.is(found.get("hugetlb")?.found, "16 of 16 huge pages of 2 MiB are free");
  assert.is(found.get("transparent-huge-pages")?.found, "madvise");
  assert.equal(found.get("lockdown"), {
    ...{ id: "lockdown", group: "System", title: "kernel lockdown" },
    ...{ status: "ok", found: "none" },
  });
});

test("the README's commands for a device on the PCI bus give it to a driver, and take it back", async (guest) => {
  assert.equal(OTHERS, []);
  const driver = () => guest.run(`readlink /sys/bus/pci/devices/${EDU_ADDRESS}/driver`);
  await guest.succeed(BIND);
  assert.match((await driver()).stdout, /\/uio_pci_generic\n$/);
  await guest.succeed(UNBIND);
  assert.is((await driver()).stdout, "");
  assert.is(await guest.succeed(`cat /sys/bus/pci/devices/${EDU_ADDRESS}/driver_override`), "(null)\n");
  await guest.succeed(`${BIND}echo "1af4 1110" > /sys/bus/pci/drivers/uio_pci_generic/new_id`);
});

test("the README's udev rules give registers and interrupts to an ordinary user, and no physical addresses", async (guest) => {
  await guest.succeed(`${USERS}${INSTALL}`);
  const ordinary = { AmbientCapabilities: "", CapabilityBoundingSet: "" };
  const edu = commandWith(`run --devices ${GUEST_DEVICES} -A /root/edu.wasm`);
  const before = await runAsUnit(guest, { ...ordinary, ExecStart: edu });
  assert.match(before.stderr, "ERR_AXI_DEVICE_ACCESS");
  await guest.succeed(udevScript(RULES));
  const after = await runAsUnit(guest, { ...ordinary, ExecStart: edu });
  assert.match(after.stdout, /^liveness 0xedcba987\nraised 1\nraised 2\nraised 3\nfactorial 3628800\n/, after.stderr);
  // As the rule for that device, for the unit's.
  const generator = { "0x1234": "0x1af4", "0x11e8": "0x1110", resource0: "resource2" };
  await guest.succeed(
    udevScript(RULES.replaceAll(/0x1234|0x11e8|resource0/g, (text) => generator[text as "resource0"])),
  );
  const unable = await runAsUnit(guest, ordinary);
  assert.match(unable.stderr, "ERR_AXI_NO_PAGE_FRAME_NUMBERS");
});

test("the README's unit has the rights that its script needs, and the generator does what it says", async (guest, fabric) => {
  const { status, stdout, stderr } = await runAsUnit(guest);
  assert.is(status, 0, stderr);
  const beats = 65536 / 16;
  assert.is(
    stdout.replace(/^INFO.*\n/gm, ""),
    `written 65536 bytes, 0 beats wrong\nread ${beats} beats as written\nread ${beats - 1} beats after a change\n`,
  );
  const bytes = fabric.transfers.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  assert.is(bytes, 3 * 65536);
  assert.ok(fabric.transfers.every(({ response }) => response === "OKAY"));
});

test("a limit on locked memory that is too low is an error, and doctor says so", async (guest) => {
  const { status, stderr } = await runAsUnit(guest, { LimitMEMLOCK: "32K" });
  assert.is(status, 1);
  assert.match(stderr, /ERR_AXI_PIN: .*limit on locked memory/);
  const ExecStart = commandWith("doctor --json");
  const found = await findings(guest, unitCommand(UNIT, { LimitMEMLOCK: "32K", ExecStart }));
  assert.is(found.get("pagemap")?.status, "ok");
  assert.is(found.get("uio-access")?.status, "ok");
  assert.is(found.get("locked-memory")?.status, "warning");
  assert.match(found.get("locked-memory")?.found ?? "", "limit 32 KiB (soft), 32 KiB (hard)");
});

test(
  "kernel.io_uring_disabled leaves io_uring to CAP_SYS_ADMIN, or to nobody",
  async (guest) => {
    const pins = async (setting: number, instead: Parameters<typeof unitCommand>[1] = {}) => {
      await guest.succeed(`echo ${setting} > /proc/sys/kernel/io_uring_disabled`);
      const command = unitCommand(UNIT, { ExecStart: commandWith("doctor --json"), ...instead });
      return (await findings(guest, command)).get("pins");
    };
    assert.match((await pins(1))?.found ?? "", /^io_uring is used; .*kernel\.io_uring_disabled is 1$/);
    const none = await pins(2);
    assert.is(none?.status, "warning");
    assert.match(none?.found ?? "", /^hugetlb is used.*does not: io_uring \(EPERM\), af_xdp \(EPERM\); .*is 2$/);
    assert.is(none?.fix, "sudo sysctl -w kernel.io_uring_disabled=0");
    const { status, stdout, stderr } = await runAsUnit(guest);
    assert.is(status, 0, stderr);
    assert.match(stdout, "0 beats wrong");
    await guest.succeed("echo 0 > /proc/sys/kernel/io_uring_disabled");
  },
  "6.6",
);

test("where memory runs out, a script gets an error, and is not killed", async (guest) => {
  const reserve =
    "while [ $(awk '/MemAvailable/ { print $2 }' /proc/meminfo) -gt 65536 ]; do n=$((n+8)); echo $n > $pool; done";
  await guest.succeed(`pool=/proc/sys/vm/nr_hugepages; n=$(cat $pool); ${reserve}`);
  const exhaust = (what: string) => guest.run(`axiscript run -A --board=linux exhaust.wasm ${what} 200`);
  const buffers = await exhaust("buffers");
  assert.is(buffers.status, 1);
  assert.match(buffers.stderr, "ERR_AXI_OUT_OF_MEMORY");
  const arrays = await exhaust("arrays");
  assert.is(arrays.status, 1);
  assert.match(arrays.stderr, "ERR_AXI_OUT_OF_MEMORY: The script ran out of memory");
  await guest.succeed("echo 0 > /proc/sys/vm/nr_hugepages");
});

test("a kernel that is locked down lets scripts use registers that the driver offers, and no interrupts or transfers", async (guest) => {
  await guest.succeed("echo integrity > /sys/kernel/security/lockdown");
  const edu = await guest.run(`axiscript run --devices ${GUEST_DEVICES} -A edu.wasm`);
  assert.match(edu.stdout, "liveness 0xedcba987\n");
  assert.match(edu.stderr, /ERR_AXI_DEVICE_ACCESS: .*EPERM\. The kernel is locked down/);
  const generator = await guest.run(`axiscript peek --devices ${GUEST_DEVICES} AxiTrafficGen:hpc ID_REG`);
  assert.match(generator.stderr, /ERR_AXI_DEVICE_ACCESS: .*mmap: EPERM/);
  const found = await findings(guest, "axiscript doctor --json");
  assert.is(found.get("lockdown")?.status, "warning");
  assert.match(found.get("lockdown")?.found ?? "", /^integrity: /);
});

run();
