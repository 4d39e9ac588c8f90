import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { examineSystem, type Finding } from "../../host/index";
import { axiscript, type CliOptions, type CliResult, PACKAGE } from "../support/cli";
import { rejectsWith } from "../support/expect";
import { treeOf, uDmaBufFiles, uioFiles } from "../support/machine";
import { canDropSysAdmin, seesPageFrames, testWhere, WITHOUT_SYS_ADMIN } from "../support/rights";
import { temporaryDirectory } from "../support/temporary";

const test = suite("doctor on the command line");
const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] as const;
const isRoot = process.getuid?.() === 0;
const asNobody = testWhere(
  test,
  isRoot && spawnSync(NOBODY[0], [...NOBODY.slice(1), "ls", join(PACKAGE, "node_modules")]).status === 0,
  "needs root, and a package that everybody may read",
);

/** The findings as a program gets them. */
async function findings(args: readonly string[] = [], options: CliOptions = {}): Promise<Map<string, Finding>> {
  const { stdout, stderr } = await axiscript(["doctor", "--json", ...args], options);
  assert.is(stderr, "");
  return new Map((JSON.parse(stdout) as Finding[]).map((finding) => [finding.id, finding]));
}

function exitCodeFor(list: readonly Finding[]): number {
  if (list.some(({ status }) => status === "missing")) return 4;
  return list.some(({ status }) => status === "warning") ? 3 : 0;
}

/** Everything that a board has, for a process that may do everything. */
const BOARD = {
  "proc/self/pagemap": "",
  "lib/firmware/": "",
  "configfs/device-tree/overlays/": "",
  "sys/class/fpga_manager/fpga0/name": "Xilinx ZynqMP FPGA Manager\n",
  "sys/class/fpga_manager/fpga0/state": "operating\n",
  ...uioFiles("uio0", "AxiProxy", "hp"),
};

test("a table for people: every group, every finding, its command below it, a summary at the end", async () => {
  const { stdout, stderr, status } = await axiscript(["doctor"]);
  const list = [...(await findings()).values()];
  assert.is(stderr, "");
  assert.is(status, exitCodeFor(list));
  assert.equal(stdout.match(/^\w+$/gm), ["System", "Memory", "Devices"]);
  const lines = stdout.split("\n");
  for (const { title, status: state, fix } of list) {
    const at = lines.findIndex((line) => line.startsWith(`  ${state}`) && line.slice(11).startsWith(title));
    assert.ok(at >= 0, `${state} ${title}`);
    if (fix === undefined) continue;
    const mend = lines.slice(at + 1).find((line) => line.startsWith("     fix:"));
    assert.is(mend, `     fix:  ${fix}`);
  }
  const count = (state: string) => list.filter((finding) => finding.status === state).length;
  assert.match(
    lines[lines.length - 2] ?? "",
    new RegExp(`^${count("ok")} ok, ${count("warning")} warnings?, ${count("missing")} missing`),
  );
  assert.is(lines[lines.length - 1], "");
});

test("found texts begin in one column, and no line of them is longer than 110 characters", async () => {
  const many = Object.assign(
    {},
    ...Array.from({ length: 20 }, (_, n) => uioFiles(`uio${n}`, "AxiProxy", `n${n}`)),
  ) as object;
  const { stdout } = await axiscript(["doctor", "--sysroot", treeOf({ ...BOARD, ...many })]);
  const starts = [...stdout.matchAll(/^ {2}(?:ok|warning|missing) +(?:\S+ )*?\S+ {2,}(?=\S)/gm)].map(
    ([head]) => head.length,
  );
  assert.is(new Set(starts).size, 1, stdout);
  for (const line of stdout.split("\n")) assert.ok(line.length <= 110 || line.startsWith("     fix:"), line);
  assert.match(stdout.replace(/\s+/g, " "), /AxiProxy:n0 \(uio0\),.*AxiProxy:n19 \(uio19\)/);
});

test("--json is the list of findings that the library gives, with stable ids", async () => {
  const { stdout, stderr, status } = await axiscript(["doctor", "--json"]);
  assert.is(stderr, "");
  const list = JSON.parse(stdout) as Finding[];
  assert.is(status, exitCodeFor(list));
  const library = examineSystem();
  const shape = (found: readonly Finding[]) => found.map(({ id, group, title }) => ({ id, group, title }));
  assert.equal(shape(list), shape(library));
  for (const id of [
    "platform",
    "page-size",
    "pagemap",
    "pins",
    "locked-memory",
    "hugetlb",
    "uio",
    "fpga-manager",
    "overlays",
    "u-dma-buf",
  ]) {
    assert.ok(
      list.some((finding) => finding.id === id),
      id,
    );
  }
  const documented = readFileSync(join(PACKAGE, "host/doctor/finding.ts"), "utf8");
  for (const finding of list) {
    assert.ok(documented.includes(`\`${finding.id}\``), `${finding.id} is not documented`);
    assert.ok(["ok", "warning", "missing"].includes(finding.status));
    assert.equal(
      Object.keys(finding)
        .filter((key) => key !== "fix")
        .sort(),
      ["found", "group", "id", "status", "title"],
    );
    assert.not.match(finding.found, "\n");
  }
});

test("exit codes: 4 if something is missing, else 3 if there are warnings", async () => {
  const empty = await axiscript(["doctor", "--sysroot", temporaryDirectory()]);
  assert.is(empty.status, 4);
  const warned = await axiscript(["doctor", "--sysroot", treeOf(BOARD)]);
  assert.is(warned.status, 3, warned.stdout);
  assert.match(warned.stdout, /^ {2}warning {2}u-dma-buf /m);
  const complete = treeOf({ ...BOARD, ...uDmaBufFiles("udmabuf0", true) });
  const { stdout, status } = await axiscript(["doctor", "--sysroot", complete]);
  assert.is(status, exitCodeFor([...(await findings(["--sysroot", complete])).values()]), stdout);
  assert.not.match(stdout.slice(stdout.indexOf("Devices")), /^ {2}(warning|missing) /m);
});

test("a virtual board that was kept shows its devices", async () => {
  const board = temporaryDirectory();
  const script = join(temporaryDirectory(), "program.ts");
  writeFileSync(
    script,
    `import { FpgaManager, UioDevice } from "axiscript/assembly";
     const path = "/lib/firmware/xilinx/axi_proxy/axi_proxy";
     new FpgaManager().programBitstream(path + ".bit.bin", path + ".dtbo");
     UioDevice.open("AxiProxy", "hpc");`,
  );
  const run = await axiscript(["run", "--sysroot", board, "--board=virtual", script]);
  assert.is(run.status, 0, run.stderr);
  const found = await findings(["--sysroot", board]);
  assert.is(found.get("uio")?.found, "AxiProxy:hp (uio0), AxiProxy:hpc (uio1), AxiProxy:acp (uio2)");
  assert.is(found.get("fpga-manager")?.found, 'Xilinx ZynqMP FPGA Manager, state "operating"');
  assert.match(found.get("u-dma-buf")?.found ?? "", /^axi:udmabuf@0x0 \(32 MiB at 0x[0-9a-f]+, coherent\)$/);
  for (const id of [
    "pagemap",
    "uio",
    "uio-access",
    "fpga-manager",
    "overlays",
    "firmware",
    "u-dma-buf",
    "u-dma-buf-access",
  ]) {
    assert.is(found.get(id)?.status, "ok", id);
  }
});

testWhere(
  test,
  canDropSysAdmin() && seesPageFrames(),
  "needs root with setpriv",
)("without CAP_SYS_ADMIN page frame numbers are missing", async () => {
  const able = (await findings()).get("pagemap");
  assert.is(able?.status, "ok");
  const { status, found, fix } = (await findings([], { through: WITHOUT_SYS_ADMIN })).get("pagemap") ?? {};
  assert.is(status, "missing");
  assert.match(found ?? "", "CAP_SYS_ADMIN");
  assert.is(fix, "docker run --cap-add=SYS_ADMIN IMAGE");
});

asNobody("an ordinary user hears what he may not do, with sudo in front of what mends it", async () => {
  const root = treeOf({ ...BOARD, ...uDmaBufFiles("udmabuf0", true) });
  for (const path of [root, join(root, "dev")]) chmodSync(path, 0o755);
  for (const name of ["uio0", "udmabuf0"]) chmodSync(join(root, "dev", name), 0o600);
  const options = { through: NOBODY, cwd: "/" };
  const here = await findings([], options);
  assert.is(here.get("pagemap")?.status, "missing");
  assert.match(here.get("pagemap")?.fix ?? "", /^sudo \/.*node \/.*main\.js run SCRIPT$/);
  const there = await findings(["--sysroot", root], options);
  assert.equal(there.get("uio-access"), {
    id: "uio-access",
    group: "Devices",
    title: "access to UIO",
    status: "missing",
    found: `may not be opened: ${root}/dev/uio0`,
    fix: `sudo chown "$(id -u)" ${root}/dev/uio0`,
  });
  assert.is(there.get("u-dma-buf-access")?.status, "warning");
  assert.match(there.get("overlays")?.found ?? "", /not writable \(EACCES\)/);
  assert.is(there.get("overlays")?.status, "warning");
  assert.is(there.get("firmware")?.status, "warning");
});

asNobody("a small limit on locked memory is a warning, with the command that raises it for this shell", async () => {
  const limited = (soft: number, hard: number) =>
    findings([], { through: ["prlimit", `--memlock=${soft}:${hard}`, ...NOBODY], cwd: "/" });
  const small = await limited(65536, 65536);
  assert.is(small.get("locked-memory")?.status, "warning");
  assert.match(small.get("locked-memory")?.found ?? "", /^limit 64 KiB \(soft\), 64 KiB \(hard\)/);
  assert.is(small.get("locked-memory")?.fix, "sudo prlimit --memlock=unlimited --pid=$$");
  const none = await limited(0, 0);
  assert.is(none.get("locked-memory")?.status, "warning");
  assert.match(none.get("pins")?.found ?? "", /does not: .*io_uring \(ENOMEM\)/);
});

const UNSHARE = ["unshare", "--user", "--map-root-user"] as const;
testWhere(
  test,
  spawnSync(UNSHARE[0], [...UNSHARE.slice(1), "true"]).status === 0,
  "user namespaces are not allowed",
)("root of a user namespace of its own has no rights", async () => {
  const found = await findings([], { through: ["bash", "-c", 'ulimit -l 8192; exec "$@"', "-", ...UNSHARE] });
  assert.is(found.get("locked-memory")?.status, "warning");
  assert.is(found.get("pagemap")?.status, "missing");
});

test("names from files cannot move the cursor of a terminal or add lines", async () => {
  const root = treeOf({ ...BOARD, ...uioFiles("uio1", "\x1b[2Jevil\nSystem\x9b1m") });
  const { stdout, stderr } = await axiscript(["doctor", "--sysroot", root]);
  assert.is(stderr, "");
  // eslint-disable-next-line no-control-regex
  assert.not.match(stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  assert.match(stdout, /\\x1b\[2Jevil\\nSystem\\x9b1m \(uio1\)/);
});

test("a root full of things of the wrong sort is findings, not a failure", async () => {
  const root = treeOf({
    "sys/class/uio": "a file",
    "sys/class/fpga_manager/fpga0": "a file",
    "sys/class/u-dma-buf/buffer/size/": "",
    "sys/firmware/devicetree/base/compatible/": "",
    "sys/kernel/config": "a file",
    "lib/firmware": "a file",
    "proc/self/pagemap/": "",
    dev: "a file",
  });
  const { stderr, status, stdout } = await axiscript(["doctor", "--sysroot", root]);
  assert.is(stderr, "");
  assert.is(status, 4);
  assert.match(stdout, "could not be examined: EISDIR");
});

test("a sysroot that is no directory, a wrong option and a left-over argument are usage errors", async () => {
  for (const args of [
    ["--sysroot", "/nonexistent"],
    ["--sysroot", "/dev/null"],
    ["--sysroot", ""],
    ["--jsn"],
    ["more"],
  ]) {
    const { status, stdout, stderr } = await axiscript(["doctor", ...args]);
    assert.is(status, 2, args.join(" "));
    assert.is(stdout, "");
    assert.match(stderr, /^ERR_AXI_USAGE: .*\n$/);
  }
  await rejectsWith("ERR_AXI_USAGE", () => examineSystem({ sysroot: "/nonexistent" }));
});

test("a reader that leaves ends it quietly, and a full disk is an error", async () => {
  const cli = `'${process.execPath}' '${join(PACKAGE, "dist/host/cli/main.js")}' doctor`;
  const left = spawnSync("bash", ["-c", `${cli} | true; echo \${PIPESTATUS[0]}`], { encoding: "utf8" });
  assert.is(left.stdout, "141\n");
  assert.is(left.stderr, "");
  const full = spawnSync("bash", ["-c", `${cli} > /dev/full`], { encoding: "utf8" });
  assert.match(full.stderr, /^ERR_AXI_IO: .*ENOSPC/);
  assert.is(full.status, 1);
});

testWhere(
  test,
  spawnSync("script", ["--version"]).status === 0,
  "script(1) is not installed",
)("colour on a terminal, unless NO_COLOR or a dumb terminal says no", () => {
  const cli = `'${process.execPath}' '${join(PACKAGE, "dist/host/cli/main.js")}' doctor`;
  // Nothing of the caller's environment: CI, NO_COLOR and others have a say in colours, SHELL in what script(1) runs.
  const onTerminal = (env: Record<string, string>) => {
    const clean = { PATH: process.env["PATH"], HOME: process.env["HOME"], SHELL: "/bin/sh", ...env };
    return spawnSync("script", ["--quiet", "--command", cli, "/dev/null"], { encoding: "utf8", env: clean }).stdout;
  };
  assert.match(onTerminal({ TERM: "xterm" }), "\x1b[32mok");
  assert.not.match(onTerminal({ TERM: "xterm", NO_COLOR: "1" }), "\x1b[");
  assert.not.match(onTerminal({ TERM: "dumb" }), "\x1b[");
});

test("it is offered: in the list of commands, by completion, and for a slip of the hand", async () => {
  assert.match((await axiscript(["--help"])).stdout, /axiscript doctor +Say what[\s\S]*Of doctor: 0 .* 3 .* 4 /);
  assert.match((await axiscript(["--get-yargs-completions", "axiscript", ""])).stdout, /^doctor/m);
  assert.match((await axiscript(["--get-yargs-completions", "axiscript", "doctor", "--s"])).stdout, /^--sysroot/m);
  const slip: CliResult = await axiscript(["docto"]);
  assert.is(slip.status, 2);
  assert.match(slip.stderr, "Unknown command docto. Did you mean doctor?");
  const help = await axiscript(["doctor", "--help"]);
  assert.is(help.status, 0);
  assert.match(
    help.stdout,
    /axiscript doctor[\s\S]*--json[\s\S]*--sysroot[\s\S]*Examples:\s+axiscript doctor [\s\S]*Of doctor/,
  );
});

test("the library does not load what examines before it is asked to", () => {
  const program = `
    const { examineSystem } = require("./dist/host/index.js");
    const show = () => console.log(Object.keys(require.cache).filter((path) => /host.doctor.(?!index)/.test(path)).join());
    show();
    examineSystem();
    show();`;
  const { stdout } = spawnSync(process.execPath, ["-e", program], { encoding: "utf8", cwd: PACKAGE });
  const [before, after] = stdout.split("\n");
  assert.is(before, "");
  assert.match(after ?? "", /doctor\/examine\.js/);
});

test("it changes nothing in the root that it examines", async () => {
  const root = treeOf({ ...BOARD, ...uDmaBufFiles("udmabuf0", true) });
  mkdirSync(join(root, "sys/kernel/config"), { recursive: true });
  const snapshot = () => spawnSync("find", [root, "-printf", "%p %y %s %m %T@ %C@\n"], { encoding: "utf8" }).stdout;
  const before = snapshot();
  await axiscript(["doctor", "--sysroot", root]);
  assert.is(snapshot(), before);
});

test.run();
