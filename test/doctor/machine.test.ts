import { chmodSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Sysroot } from "../../host/linux/sysroot";
import { examine } from "../../host/doctor/examine";
import { ALL_RIGHTS, limits, machineWith, rights, shortOf, treeOf } from "../support/machine";
import { testWhere } from "../support/rights";

const test = suite("findings about the machine");
const EMPTY = treeOf({});
const NO_RIGHTS = rights(0n);
const MIB = 2 ** 20;

test("the platform", () => {
  const withNode = (node: string) =>
    machineWith({}, { platform: { platform: "linux", arch: "arm64", versions: { node } } });
  for (const node of ["22.20.0", "24.11.0", "26.12.1"]) {
    assert.is(shortOf("platform", EMPTY, withNode(node)), `ok: linux 6.6.40-xilinx on arm64, Node ${node}`);
  }
  assert.match(
    shortOf("platform", EMPTY, withNode("20.20.2")),
    /^ok: .*no security fixes any more: Node 26 is recommended$/,
  );
  const old = machineWith({}, { platform: { platform: "linux", arch: "arm", versions: { node: "18.0.0" } } });
  assert.match(shortOf("platform", EMPTY, old), /^missing: linux .* on arm, Node 18\.0\.0\. Cannot run on linux arm/);
});

test("the compiler: a board need not have it, another machine is told how to install it", () => {
  assert.is(shortOf("compiler", EMPTY), "ok: assemblyscript 0.28.20");
  const without = machineWith({}, { compilerVersion: () => undefined });
  assert.match(shortOf("compiler", EMPTY, without), /^warning: .*not installed.* \| npm install assemblyscript$/);
  const board = treeOf({ "sys/class/fpga_manager/fpga0/state": "unknown\n" });
  assert.match(shortOf("compiler", board, without), /^ok: .*not installed.* board needs$/);
});

test("/dev/shm: there, and with room", () => {
  assert.is(shortOf("shared-memory", EMPTY), "ok: writable, 1024 MiB free");
  const full = machineWith({}, { freeBytes: () => 39 * MIB });
  assert.match(
    shortOf("shared-memory", EMPTY, full),
    /^warning: writable, 39 MiB free.* \| mount -o remount,size=50% \/dev\/shm$/,
  );
  const nowhere = machineWith({}, { files: new Sysroot(treeOf(ALL_RIGHTS)) });
  assert.match(
    shortOf("shared-memory", EMPTY, nowhere),
    /^warning: does not exist.* \| mkdir \/dev\/shm && mount -t tmpfs/,
  );
});

test("vm.max_map_count: the kernel's default or more; nothing where the kernel does not say", () => {
  assert.is(shortOf("max-map-count", EMPTY), "ok: 65530");
  const few = machineWith({ "proc/sys/vm/max_map_count": "1000\n" });
  assert.match(shortOf("max-map-count", EMPTY, few), /^warning: 1000 .* \| sysctl -w vm\.max_map_count=65530$/);
  const silent = machineWith({}, { files: new Sysroot(treeOf(ALL_RIGHTS)) });
  assert.is(shortOf("max-map-count", EMPTY, silent), "none");
});

test("lockdown matters where there are PCI devices, and is nothing where the kernel does not show it", () => {
  const tree = (level: string, files = {}) => treeOf({ "sys/kernel/security/lockdown": `${level}\n`, ...files });
  assert.is(shortOf("lockdown", EMPTY), "none");
  assert.is(shortOf("lockdown", tree("[none] integrity confidentiality")), "ok: none");
  const locked = "none [integrity] confidentiality";
  assert.match(shortOf("lockdown", tree(locked)), /^ok: integrity, /);
  const pci = { "sys/bus/pci/devices/0000:00:04.0/": "" };
  assert.match(shortOf("lockdown", tree(locked, pci)), /^warning: integrity: [^|]*bus masters[^|]*$/);
});

testWhere(
  test,
  process.getuid?.() !== 0,
  "root may write everywhere",
)("/dev/shm that may not be written", () => {
  const machine = machineWith({}, { userId: 1000 });
  chmodSync(machine.files.path("/dev/shm"), 0o555);
  assert.match(shortOf("shared-memory", EMPTY, machine), /^warning: not writable.* \| sudo chmod 1777 \/dev\/shm$/);
});

test("pins: the best mechanism that works, what else does, and how to get io_uring back", () => {
  assert.is(shortOf("pins", EMPTY), "ok: io_uring is used; works too: af_xdp, hugetlb, mlock");
  const xdp = machineWith({}, { working: ["af_xdp"] });
  assert.is(
    shortOf("pins", EMPTY, xdp),
    "ok: af_xdp is used; does not: io_uring (EPERM), hugetlb (EPERM), mlock (EPERM)",
  );
  const huge = machineWith({ "proc/sys/kernel/io_uring_disabled": "2\n" }, { working: ["hugetlb", "mlock"] });
  assert.match(
    shortOf("pins", EMPTY, huge),
    /^warning: hugetlb is used.*kernel\.io_uring_disabled is 2 \| sysctl -w kernel\.io_uring_disabled=0$/,
  );
  const container = machineWith(rights(0n, { seccomp: 2 }), { working: ["mlock"] });
  assert.match(
    shortOf("pins", EMPTY, container),
    /^warning: mlock is used, which is best effort.* \| docker run --sec/,
  );
  const limited = machineWith(NO_RIGHTS, { working: [], because: "ENOMEM", userId: 1000 });
  assert.match(
    shortOf("pins", EMPTY, limited),
    /^missing: nothing keeps .* \| sudo prlimit --memlock=unlimited --pid=\$\$$/,
  );
  const used = machineWith(
    { ...NO_RIGHTS, "proc/self/limits": limits(64 * MIB) },
    { working: [], because: "ENOMEM", userId: 1000 },
  );
  assert.match(shortOf("pins", EMPTY, used), / \| sudo prlimit /);
  const old = machineWith({}, { working: [], because: "ENOSYS" });
  assert.match(shortOf("pins", EMPTY, old), /^missing: [^|]*$/);
});

test("locked memory: a limit that scripts meet, unless CAP_IPC_LOCK makes it irrelevant", () => {
  const small = { "proc/self/limits": limits(64 * MIB - 1) };
  const of = (machine: ReturnType<typeof machineWith>) => shortOf("locked-memory", EMPTY, machine);
  assert.match(of(machineWith(small)), /^ok: no limit for this process, which has CAP_IPC_LOCK; limit 63 MiB \(soft\)/);
  assert.match(of(machineWith({ ...small, ...rights(1n << 14n) })), /^ok/);
  const user = { userId: 1000 };
  assert.match(
    of(machineWith({ ...small, ...rights(~(1n << 14n) & ((1n << 41n) - 1n)) }, user)),
    /^warning: limit 63 MiB \(soft\), 63 MiB \(hard\).* \| sudo prlimit --memlock=unlimited --pid=\$\$$/,
  );
  assert.is(
    of(machineWith({ "proc/self/limits": limits(64 * MIB), ...NO_RIGHTS }, user)),
    "ok: limit 64 MiB (soft), 64 MiB (hard)",
  );
  assert.match(
    of(machineWith({ "proc/self/limits": limits("unlimited"), ...NO_RIGHTS }, user)),
    /^ok: limit unlimited/,
  );
  assert.match(
    of(machineWith({ "proc/self/limits": limits(65536, "unlimited"), ...NO_RIGHTS }, user)),
    /^warning: limit 64 KiB \(soft\), unlimited \(hard\).* \| ulimit -l unlimited$/,
  );
  assert.match(
    of(machineWith({ "proc/self/limits": limits(65536, 128 * MIB), ...NO_RIGHTS }, user)),
    / \| ulimit -l 131072$/,
  );
  assert.match(of(machineWith({ ...small, ...NO_RIGHTS })), / \| docker run --ulimit memlock=-1 IMAGE$/);
});

test("capabilities in a user namespace of one's own do not count", () => {
  const inside = rights((1n << 41n) - 1n, { users: "         0       1000          1" });
  const machine = machineWith({ "proc/self/limits": limits(8 * MIB), ...inside });
  assert.match(shortOf("locked-memory", EMPTY, machine), /^warning: limit 8 MiB/);
});

test("compaction matters where pages are only locked", () => {
  assert.match(shortOf("compaction", EMPTY), /^ok: .*does not matter/);
  const locked = machineWith({}, { working: ["mlock"] });
  assert.match(shortOf("compaction", EMPTY, locked), /^warning: .* \| sysctl -w vm\.compact_unevictable_allowed=0$/);
  const off = machineWith({ "proc/sys/vm/compact_unevictable_allowed": "0\n" }, { working: ["mlock"] });
  assert.match(shortOf("compaction", EMPTY, off), /^ok: .*is 0/);
});

test("huge pages: a pool with free pages, and transparent ones that are not off", () => {
  const of = (id: string, state: Partial<ReturnType<ReturnType<typeof machineWith>["hugePages"]>>) => {
    const full = { hugePageBytes: 2 * MIB, total: 8, free: 4, transparent: "always", ...state };
    return shortOf(id, EMPTY, machineWith({}, { hugePages: () => full, userId: 1000 }));
  };
  assert.is(of("hugetlb", {}), "ok: 4 of 8 huge pages of 2 MiB are free");
  assert.match(of("hugetlb", { free: 0 }), /^warning: 0 of 8 .* \| sudo sysctl -w vm\.nr_hugepages=24$/);
  assert.match(of("hugetlb", { hugePageBytes: 0, total: 0, free: 0 }), /^warning: not in this kernel[^|]*$/);
  const id = "transparent-huge-pages";
  assert.is(of(id, {}), "ok: always");
  assert.is(of(id, { transparent: "madvise" }), "ok: madvise");
  assert.match(
    of(id, { transparent: "never" }),
    /^warning: never.* \| sudo sh -c 'echo madvise > \/sys\/kernel\/mm\/tr/,
  );
  assert.match(of(id, { transparent: undefined }), /^warning: not in this kernel[^|]*$/);
});

test("what a check throws is a finding, and the others are not lost", () => {
  const broken = machineWith(
    { "proc/self/limits": "nonsense" },
    {
      hugePages: () => {
        throw new Error("out of luck");
      },
      pinMechanisms: () => {
        throw new TypeError("no library");
      },
    },
  );
  const findings = examine(EMPTY, { ...broken, files: machineWith({ ...NO_RIGHTS, "proc/self/limits": "?" }).files });
  const said = (id: string) => findings.find((finding) => finding.id === id);
  assert.equal(said("hugetlb"), {
    id: "hugetlb",
    group: "Memory",
    title: "hugetlb",
    status: "warning",
    found: "could not be examined: out of luck",
  });
  assert.match(said("pins")?.found ?? "", /^could not be examined: no library$/);
  assert.match(said("locked-memory")?.found ?? "", /^could not be examined: .*limits does not show the limit$/);
  assert.is(said("platform")?.status, "ok");
  assert.is(findings.length, examine(EMPTY, machineWith()).length);
});

test.run();
