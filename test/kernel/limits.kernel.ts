import * as assert from "uvu/assert";
import { readmeBlocks } from "../support/readme";
import { findings } from "./findings";
import { GUEST_DEVICES, guestSuite, WITH_EDU } from "./support";

const [BIND = ""] = readmeBlocks("sh");
const BIND_GENERATOR = 'echo "1af4 1110" > /sys/bus/pci/drivers/uio_pci_generic/new_id';

const { test, run } = guestSuite("tight settings under a later kernel", {
  series: "later",
  cores: [{ kind: "axi-traffic-gen", port: "hpc", slot: 7 }],
  ...WITH_EDU,
  scripts: ["edu", "exhaust"].map((name) => `test/scripts/${name}.ts`),
});

test("where memory runs out, a script gets an error, and is not killed", async (guest) => {
  const reserve =
    "while [ $(awk '/MemAvailable/ { print $2 }' /proc/meminfo) -gt 65536 ]; do n=$((n+8)); echo $n > $pool; done";
  await guest.succeed(`pool=/proc/sys/vm/nr_hugepages; n=$(cat $pool); ${reserve}`);
  const exhaust = (what: string) => guest.run(`axiscript run -A --board=linux exhaust.wasm ${what} 200`);
  const buffers = await exhaust("buffers");
  assert.is(buffers.status, 1);
  assert.match(buffers.stderr, "ERR_AXI_OUT_OF_MEMORY");
  const arrays = await exhaust("arrays");
  assert.is(arrays.status, 134);
  assert.match(arrays.stderr, "ERR_AXI_TRAP");
  await guest.succeed("echo 0 > /proc/sys/vm/nr_hugepages");
});

test("a kernel that is locked down lets scripts use registers that the driver offers, and no interrupts or transfers", async (guest) => {
  await guest.succeed(`${BIND}${BIND_GENERATOR}`);
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
