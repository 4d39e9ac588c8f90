import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { randomNumbers } from "../../host/board/fabric/port-timing";
import { takePermissionFlags } from "../../host/cli/permission-options";
import { DeviceCatalog } from "../../host/linux/catalog";
import { FpgaManager } from "../../host/linux/fpga-manager";
import { Sysroot } from "../../host/linux/sysroot";
import { Gate } from "../../host/gate/gate";
import { AxiscriptError, createRuntime, loadProfile } from "../../host/index";
import { LinearMemory } from "../../host/memory/linear-memory";
import { hostFunctions } from "../../host/runtime/abi/host-functions";
import { checkPermissionOptions, createPermissions } from "../../host/runtime/permissions/create";
import type { Permission, PermissionLists, PermissionOptions } from "../../host/runtime/permissions/permission";
import { keyOf, PERMISSION_KEYS, type PermissionKey } from "../../host/runtime/permissions/keys";
import { NEEDS } from "../../host/runtime/permissions/needs";
import { rejectsWith } from "../support/expect";
import { treeOf, uioFiles } from "../support/machine";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("permissions");

const SCRIPT = { path: "script.wasm", wasm: new Uint8Array([1, 2, 3]) };

function permissionsOf(options: PermissionOptions, board: "virtual" | "linux" = "linux", audit?: string) {
  return createPermissions({ options, board, script: SCRIPT, ...(audit !== undefined && { audit }) });
}

/** The message of a refusal, or `undefined` if it is allowed. */
function refusal(options: PermissionOptions, permission: Permission, board: "virtual" | "linux" = "linux") {
  try {
    permissionsOf(options, board).require(permission);
    return undefined;
  } catch (error) {
    assert.instance(error, AxiscriptError);
    assert.is((error as AxiscriptError).code, "ERR_AXI_NOT_ALLOWED");
    assert.is((error as AxiscriptError).kind, "permission");
    return (error as AxiscriptError).message;
  }
}

const device = (name: string, note = ""): Permission => ({ name: "device", device: name, note });
const HPC = device("AxiProxy", "hpc");

test("nothing is allowed on real hardware, and on a virtual board all that the board has", () => {
  const all: Permission[] = [
    HPC,
    { name: "unchecked-dma", device: "AxiProxy", note: "hpc" },
    { name: "fpga", files: ["/a", "/b"] },
    { name: "fpga", files: [] },
    { name: "dma" },
    { name: "physical-addresses" },
    { name: "env", variable: "HOME" },
  ];
  for (const permission of all) {
    assert.ok(refusal({}, permission, "linux"), permission.name);
    assert.is(refusal({}, permission, "virtual"), undefined);
    // Anything that is granted takes the place of that.
    assert.ok(refusal({ allow: {} }, permission, "virtual"));
    assert.ok(refusal({ profile: { file: "p.json" } }, permission, "virtual"));
  }
  assert.is(refusal({ deny: { dma: true } }, HPC, "virtual"), undefined);
  assert.ok(refusal({ deny: { dma: true } }, { name: "dma" }, "virtual"));
  for (const board of ["virtual", "linux"] as const) {
    assert.is(permissionsOf({}, board).files, undefined);
    assert.not(permissionsOf({}, board).permits({ name: "read", path: "/etc/passwd" }));
  }
});

test("everything does not include unchecked DMA on real hardware", () => {
  const unchecked: Permission = { name: "unchecked-dma", device: "Copier", note: "" };
  assert.is(refusal({ allow: { all: true } }, unchecked, "virtual"), undefined);
  assert.match(
    refusal({ allow: { all: true } }, unchecked, "linux") ?? "",
    "Cannot open device Copier: no description says how it reaches memory, so that its transfers cannot be checked. " +
      "Allow it with --allow-unchecked-dma=Copier",
  );
  assert.is(refusal({ allow: { all: true, uncheckedDma: ["Copier"] } }, unchecked, "linux"), undefined);
  for (const permission of [HPC, { name: "read", path: "/etc" }, { name: "fpga", files: ["/x"] }] as const) {
    assert.is(refusal({ allow: { all: true } }, permission, "linux"), undefined);
  }
});

test("a refusal names the flag as it is to be typed, a denial what denies", () => {
  const says: [PermissionOptions, Permission, string][] = [
    [{}, HPC, "Cannot open device AxiProxy:hpc: the script may not use it. Allow it with --allow-device=AxiProxy:hpc"],
    [{}, device("my dev, it's"), "--allow-device='my dev,, it'\\''s'"],
    [
      {},
      { name: "fpga", files: ["/lib/firmware/a.bit.bin", "/lib/firmware/a.dtbo"] },
      "Cannot program the FPGA with /lib/firmware/a.bit.bin and /lib/firmware/a.dtbo: the script may not load that. " +
        "Allow it with --allow-fpga=/lib/firmware/a.bit.bin,/lib/firmware/a.dtbo",
    ],
    [{}, { name: "fpga", files: [] }, "Allow it with --allow-fpga"],
    [{}, { name: "dma" }, "Allow it with --allow-dma"],
    [{}, { name: "physical-addresses" }, "Allow it with --allow-physical-addresses"],
    [
      {},
      { name: "read", path: "/data/in/x" },
      "Cannot read /data/in/x: the script may not. Allow it with --allow-read=/data/in",
    ],
    [{ deny: { device: true } }, HPC, "it is denied by --deny-device, and denials win."],
    [{ allow: { all: true }, deny: { device: ["AxiProxy"] } }, HPC, "it is denied by --deny-device=AxiProxy, and"],
    [
      { allow: { all: true }, profile: { file: "p.json", deny: { device: ["AxiProxy:hpc"] } } },
      HPC,
      'it is denied by deny.device "AxiProxy:hpc" in the profile p.json, and denials win.',
    ],
    [
      { profile: { file: "p.json", deny: { dma: true } } },
      { name: "dma" },
      "denied by deny.dma in the profile p.json,",
    ],
  ];
  for (const [options, permission, text] of says) assert.match(refusal(options, permission) ?? "", text);
});

test("devices are allowed by name, or by name and note", () => {
  const only = (...names: string[]): PermissionOptions => ({ allow: { device: names } });
  assert.is(refusal(only("AxiProxy"), HPC), undefined);
  assert.is(refusal(only("AxiProxy"), device("AxiProxy")), undefined);
  assert.is(refusal(only("AxiProxy:hpc"), HPC), undefined);
  assert.ok(refusal(only("AxiProxy:hpc"), device("AxiProxy", "hp")));
  assert.ok(refusal(only("AxiProxy:hpc"), device("AxiProxy")));
  assert.ok(refusal(only("Axi", "AxiProxy:", "AxiProxy:h", "axiproxy:hpc", "*"), HPC));
});

test("firmware is allowed by its absolute path on the target, each file of a load", () => {
  const allow = { allow: { fpga: ["/lib/firmware/a.bin", "lib/firmware/x/../a.dtbo"] } };
  const load = (...files: string[]) => refusal(allow, { name: "fpga", files });
  assert.is(load("/lib/firmware/a.bin", "/lib/firmware/a.dtbo"), undefined);
  assert.is(load("lib/firmware/./a.bin", "/lib/../lib/firmware/a.dtbo"), undefined);
  assert.ok(load("/lib/firmware/a.bin", "/lib/firmware/b.dtbo"));
  assert.ok(load("/lib/firmware/b.bin", "/lib/firmware/a.dtbo"));
  assert.ok(load("/lib/firmware/a.bin/../b.bin", "/lib/firmware/a.dtbo"));
  // Who may load something may remove it.
  assert.is(load(), undefined);
  assert.ok(refusal({ allow: { fpga: [] } }, { name: "fpga", files: [] }));
  const denied = { allow: { fpga: true as const }, deny: { fpga: ["/lib/firmware/b.bin"] } };
  assert.ok(refusal(denied, { name: "fpga", files: ["/lib/firmware/a.dtbo", "/lib/firmware/x/../b.bin"] }));
  assert.is(refusal(denied, { name: "fpga", files: [] }), undefined);
});

/** Everything that random rules can be about, as texts. */
const ROOT = treeOf({ "a/b/": "", "a/B2/": "", "c/": "" });
const DIRECTORIES = ["", "/a", "/a/b", "/a/B2", "/c"].map((path) => ROOT + path);
const UNIVERSE: Record<PermissionKey, readonly string[]> = {
  device: ["P", "P:x", "P:y", "Q", "Q:x"],
  uncheckedDma: ["P", "P:x", "Q:y"],
  fpga: ["/f/one", "/f/two"],
  dma: [""],
  physicalAddresses: [""],
  read: [...DIRECTORIES, ...DIRECTORIES.map((path) => `${path}/file`), dirname(ROOT)],
  write: [...DIRECTORIES, ...DIRECTORIES.map((path) => `${path}/file`), dirname(ROOT)],
  env: ["HOME", "PATH", "HOMEPATH"],
};
/** What rules may name. */
const ITEMS: Record<PermissionKey, readonly string[]> = { ...UNIVERSE, read: DIRECTORIES, write: DIRECTORIES };

function permissionOf(key: PermissionKey, value: string): Permission {
  const [name = "", note = ""] = value.split(":");
  switch (key) {
    case "device":
      return { name: "device", device: name, note };
    case "uncheckedDma":
      return { name: "unchecked-dma", device: name, note };
    case "fpga":
      return { name: "fpga", files: [value] };
    case "dma":
      return { name: "dma" };
    case "physicalAddresses":
      return { name: "physical-addresses" };
    case "env":
      return { name: "env", variable: value };
    default:
      return { name: key, path: value };
  }
}

/** Another way to the same answer: the set of all that is allowed, made by adding and taking away. */
function oracle(options: PermissionOptions, board: "virtual" | "linux"): Set<string> {
  const spelled = (lists: PermissionLists & { all?: true } = {}) => {
    const found = new Set<string>();
    for (const key of PERMISSION_KEYS) {
      const isAll = lists.all === true && (key !== "uncheckedDma" || board === "virtual");
      const list = isAll || lists[key] === true ? UNIVERSE[key] : [lists[key] ?? []].flat();
      for (const item of list as string[]) {
        for (const value of UNIVERSE[key]) {
          const parents = [value];
          if (key === "read" || key === "write") for (let at = value; at !== "/";) parents.push((at = dirname(at)));
          else parents.push(value.split(":")[0] ?? "");
          const isDevice = key === "device" || key === "uncheckedDma";
          if (isDevice || key === "read" || key === "write" ? parents.includes(item) : value === item) {
            found.add(`${key} ${value}`);
          }
        }
      }
    }
    return found;
  };
  const allowed = new Set<string>();
  if (options.allow || options.profile) {
    for (const rules of [options, options.profile]) for (const one of spelled(rules?.allow)) allowed.add(one);
  } else if (board === "virtual") {
    for (const [key, values] of Object.entries(UNIVERSE)) {
      if (key !== "read" && key !== "write") for (const value of values) allowed.add(`${key} ${value}`);
    }
  }
  for (const rules of [options, options.profile]) for (const one of spelled(rules?.deny)) allowed.delete(one);
  return allowed;
}

test("what random rules allow is what is left of what they name, and the named flag allows the rest", () => {
  const random = randomNumbers(17);
  const chance = (of: number) => Math.floor(random() * of) === 0;
  const someLists = (density: number): PermissionLists => {
    const lists: Record<string, true | string[]> = {};
    for (const key of PERMISSION_KEYS) {
      if (!chance(density)) continue;
      const takesNoList = key === "dma" || key === "physicalAddresses";
      lists[key] = takesNoList || chance(3) ? true : ITEMS[key].filter(() => chance(3));
    }
    return lists;
  };
  let allowedCount = 0;
  let refusedCount = 0;
  for (let round = 0; round < 600; round++) {
    const board = chance(2) ? "virtual" : "linux";
    const options: PermissionOptions = {
      ...(chance(2) && { allow: { ...someLists(2), ...(chance(6) && { all: true as const }) } }),
      ...(chance(2) && { deny: someLists(4) }),
      ...(chance(3) && { profile: { file: "p", allow: someLists(3), deny: someLists(6) } }),
    };
    checkPermissionOptions(options);
    const expected = oracle(options, board);
    const permissions = permissionsOf(structuredClone(options), board);
    for (const key of PERMISSION_KEYS) {
      for (const value of UNIVERSE[key]) {
        const permission = permissionOf(key, value);
        const isAllowed = permissions.permits(permission);
        assert.is(
          isAllowed,
          expected.has(`${key} ${value}`),
          `${key} ${value} by ${JSON.stringify(options)}, ${board}`,
        );
        const message = refusal(options, permission, board);
        assert.is(message === undefined, isAllowed);
        if (isAllowed) allowedCount++;
        else refusedCount++;
        if (message === undefined || message.includes("denied")) continue;
        const [, flag = ""] = /Allow it with (.*)$/.exec(message) ?? [];
        const added = takePermissionFlags([flag]).permissions?.allow;
        const both = [options.profile?.allow, options.allow, added].reduce<PermissionLists>(merge, {});
        assert.is(refusal({ ...options, allow: { ...options.allow, ...both } }, permission, board), undefined, flag);
      }
    }
  }
  assert.ok(allowedCount > 1000 && refusedCount > 1000);
});

function merge(a: PermissionLists, b: PermissionLists = {}): PermissionLists {
  const keys = PERMISSION_KEYS.filter((key) => a[key] ?? b[key]);
  return Object.fromEntries(
    keys.map((key) => [key, a[key] === true || b[key] === true ? true : [a[key] ?? [], b[key] ?? []].flat()]),
  );
}

test("a denied place stays denied by another spelling of its name, and before it exists", () => {
  const root = treeOf({ "Secret/": "", "open/": "" });
  symlinkSync("Secret", join(root, "link"));
  const denies = (item: string, path: string) =>
    refusal({ allow: { read: [root] }, deny: { read: [item] } }, { name: "read", path: join(root, path) }) !==
    undefined;
  assert.ok(denies(join(root, "link"), "Secret/x"));
  assert.ok(denies(join(root, "Secret"), "secret/x"));
  assert.ok(denies(join(root, "open/later"), "open/later/x"));
  assert.ok(denies(join(root, "caf\u00e9"), "cafe\u0301"));
  assert.not(denies(join(root, "Secret"), "open/x"));
  assert.not(denies(join(root, "Secret"), "Secret2"));
});

test("a directory that is granted must be there", async () => {
  const file = temporaryFile("file", "");
  for (const path of [join(dirname(file), "nowhere"), file]) {
    const error = await rejectsWith("ERR_AXI_USAGE", () => permissionsOf({ allow: { read: [path] } }));
    assert.match(error.message, path);
  }
});

test("options that make no sense are refused with the key", async () => {
  const wrong: [unknown, RegExp][] = [
    [[], /are an object|is an object/],
    [{ allows: {} }, /no key allows; there are allow, deny/],
    [{ allow: [] }, /allow is an object; current value is \[\]/],
    [{ allow: { devices: true } }, /no key allow\.devices; there are all, device/],
    [{ deny: { all: true } }, /no key deny\.all/],
    [{ allow: { device: "AxiProxy" } }, /allow\.device is true or a list of texts; current value is "AxiProxy"/],
    [{ allow: { device: false } }, /allow\.device is true or a list/],
    [{ allow: { device: ["a", ""] } }, /allow\.device\[1\] is a text/],
    [{ allow: { read: ["a\0b"] } }, /allow\.read\[0\]/],
    [{ allow: { dma: ["x"] } }, /allow\.dma is true, or absent/],
    [{ profile: { file: "p.json", allow: { dma: 1 } } }, /the profile p\.json: allow\.dma/],
  ];
  for (const [options, says] of wrong) {
    const check = () => checkPermissionOptions(options as PermissionOptions);
    assert.match((await rejectsWith("ERR_AXI_USAGE", check)).message, says);
    await rejectsWith("ERR_AXI_USAGE", () => createRuntime({ permissions: options as PermissionOptions }));
  }
});

test("a profile is read, checked, and its directories are relative to it", async () => {
  const root = treeOf({ "data/": "" });
  const file = join(root, "board.json");
  writeFileSync(file, JSON.stringify({ allow: { read: ["data"], device: ["AxiProxy:hpc"] }, deny: { write: ["."] } }));
  const profile = loadProfile(file);
  assert.equal(profile, {
    file,
    allow: { read: [join(root, "data")], device: ["AxiProxy:hpc"] },
    deny: { write: [root] },
  });
  assert.is(refusal({ profile }, HPC), undefined);
  assert.is(refusal({ profile }, { name: "read", path: join(root, "data/x") }), undefined);
  const broken: [string, RegExp][] = [
    ["{", /broken\.json: it is not JSON/],
    ["[]", /broken\.json: .*object/],
    ['{"allow": {"device": [5]}}', /broken\.json: allow\.device\[0\] is a text that is not empty; current value is 5/],
  ];
  for (const [text, says] of broken) {
    const error = await rejectsWith("ERR_AXI_USAGE", () => loadProfile(temporaryFile("broken.json", text)));
    assert.match(error.message, says);
  }
  assert.match(
    (await rejectsWith("ERR_AXI_USAGE", () => loadProfile("nowhere.json"))).message,
    /nowhere\.json: ENOENT/,
  );
});

interface AuditLine {
  readonly time: string;
  readonly script: string;
  readonly permission: string;
  readonly value: string;
  readonly granted: boolean;
}

function auditLines(path: string): AuditLine[] {
  const text = readFileSync(path, "utf8");
  assert.ok(text.endsWith("\n"));
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as AuditLine);
}

test("the record has a line for the run, for each use, and for a frequent or refused use the first time", () => {
  const audit = join(temporaryDirectory(), "audit");
  const permissions = permissionsOf({ allow: { device: ["AxiProxy"], dma: true } }, "linux", audit);
  const attempt = (permission: Permission, recorded?: "each" | "first") => {
    try {
      permissions.require(permission, recorded);
    } catch {
      // Refusals are what is being recorded.
    }
  };
  for (let i = 0; i < 3; i++) {
    attempt(HPC);
    attempt({ name: "dma" }, "first");
    attempt(device("Other"));
    attempt({ name: "fpga", files: ["/a", "/b"] });
  }
  permissions.close();
  permissionsOf({}, "linux", audit).close();
  const lines = auditLines(audit);
  const short = lines.map(({ permission, value, granted }) => `${permission} ${value.slice(0, 12)} ${granted}`);
  assert.equal(short, [
    "run sha256:03905 true",
    "device AxiProxy:hpc true",
    "dma  true",
    "device Other false",
    "fpga /a false",
    "fpga /b false",
    "device AxiProxy:hpc true",
    "device AxiProxy:hpc true",
    "run sha256:03905 true",
  ]);
  for (const { time, script } of lines) {
    assert.is(new Date(time).toISOString(), time);
    assert.is(script, join(process.cwd(), "script.wasm"));
  }
});

test("texts of scripts are cut in the record, and do not break its lines", () => {
  const audit = join(temporaryDirectory(), "audit");
  const permissions = permissionsOf({}, "linux", audit);
  for (const name of ['"\n{"granted":true}\n', "\u2028\ud800", "x".repeat(100_000)]) {
    assert.throws(() => permissions.require(device(name)));
  }
  permissions.close();
  assert.is(auditLines(audit).length, 4);
  assert.ok(readFileSync(audit).length < 10_000);
});

test("where it cannot be recorded, nothing happens", async () => {
  for (const path of ["/dev/full", "/nowhere/audit", temporaryDirectory()]) {
    const error = await rejectsWith("ERR_AXI_IO", () => permissionsOf({}, "virtual", path));
    assert.match(error.message, `the audit file ${path}: E`);
  }
});

/** A pipe with room for so many bytes, open for reading here; or all that it can hold. */
function pipeWithRoom(bytes?: number): { path: string; fd: number } {
  const path = join(temporaryDirectory(), "pipe");
  assert.is(spawnSync("mkfifo", [path]).status, 0);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  if (bytes !== undefined) writeSync(fd, Buffer.alloc(PIPE_BYTES - bytes));
  return { path, fd };
}
const PIPE_BYTES = 65_536;

test("what cannot be recorded any more is refused, until it can be; a line that was cut off is ended", async () => {
  const { path, fd } = pipeWithRoom();
  const permissions = permissionsOf({ allow: { device: true } }, "linux", path);
  const long = device("x".repeat(4096));
  let recorded = 0;
  const error = await rejectsWith("ERR_AXI_IO", () => {
    for (; recorded < 100; recorded++) permissions.require(long);
  });
  assert.match(error.message, /Cannot write the audit file .*pipe: (?:EAGAIN|only \d+ of \d+ bytes fitted)\./);
  assert.ok(recorded > 5);
  const first = readFully(fd);
  permissions.require(HPC);
  const second = readFully(fd);
  permissions.close();
  closeSync(fd);
  const lines = (first + second).split("\n").filter((line) => line !== "");
  const whole = lines.filter((line) => line.endsWith("}"));
  for (const line of whole) JSON.parse(line);
  assert.is(whole.length, 1 + recorded + 1);
  assert.ok(whole.slice(-1).join("").includes("AxiProxy:hpc"));
});

function readFully(fd: number): string {
  const buffer = Buffer.alloc(2 * PIPE_BYTES);
  return buffer.toString("utf8", 0, readSync(fd, buffer));
}

test("a script is refused what cannot be recorded", async () => {
  const script = temporaryFile(
    "open.ts",
    'import { UioDevice } from "axiscript/assembly";\nUioDevice.open("AxiProxy");\nconsole.log("opened");',
  );
  const root = treeOf({ ...uioFiles("uio0", "AxiProxy", "hpc"), "sys/class/uio/uio0/maps/map0/size": "0x1000\n" });
  const runtime = await createRuntime({ board: "linux", sysroot: root, permissions: { allow: { device: true } } });
  const sample = join(temporaryDirectory(), "audit");
  await rejectsWith("ERR_AXI_DEVICE_ACCESS", () => runtime.run(script, { audit: sample }));
  const [start = "", use = ""] = readFileSync(sample, "utf8").split("\n");
  assert.match(use, '"device"');
  const { path, fd } = pipeWithRoom(start.length + 1);
  const error = await rejectsWith("ERR_AXI_IO", () => runtime.run(script, { audit: path }));
  assert.match(error.message, "the audit file");
  closeSync(fd);
  await runtime.close();
});

test("the environment is what is allowed of it, and is recorded when it is read", () => {
  const audit = join(temporaryDirectory(), "audit");
  const variables = { HOME: "/root", PATH: "/bin", SECRET: "x" };
  const seen = (options: PermissionOptions) => Object.keys(permissionsOf(options).environment(variables)).join(" ");
  assert.is(seen({}), "");
  assert.is(seen({ allow: { env: ["HOME", "NOPE"] } }), "HOME");
  assert.is(seen({ allow: { env: true }, deny: { env: ["SECRET"] } }), "HOME PATH");
  const permissions = permissionsOf({ allow: { env: ["HOME"] } }, "linux", audit);
  permissions.environment(variables);
  assert.is(auditLines(audit).length, 1);
  permissions.recordEnvironment?.();
  permissions.recordEnvironment?.();
  permissions.close();
  assert.equal(
    auditLines(audit).map(({ permission, value }) => `${permission} ${value}`),
    [auditLines(audit).map(({ value }) => `run ${value}`)[0], "env HOME"],
  );
});

test("every host function asks for what is said that it asks for, before it touches anything", async () => {
  const root = treeOf({ ...uioFiles("uio0", "AxiProxy", "hpc"), "sys/class/fpga_manager/fpga0/state": "unknown\n" });
  const sysroot = new Sysroot(root);
  const memory = new LinearMemory({ initial: 1 });
  memory.bytes.set(Buffer.from("uio0"), 0);
  for (const allowed of [undefined, ...PERMISSION_KEYS]) {
    const asked = new Set<string>();
    const gate = new Gate();
    const functions = hostFunctions({
      memory,
      gate,
      sysroot,
      fpga: new FpgaManager(sysroot),
      catalog: new DeviceCatalog(),
      permissions: {
        require: (permission) => {
          const key = keyOf(permission.name);
          asked.add(key);
          // By its real name: the script asked for uio0.
          if (permission.name === "device") assert.equal(permission, HPC);
          if (key !== allowed) throw new AxiscriptError("ERR_AXI_NOT_ALLOWED", "no");
        },
      },
      deviceMemory: () => {
        throw new Error("the memory was touched");
      },
      note: () => {},
    });
    for (const [module, table] of Object.entries(functions)) {
      for (const [name, body] of Object.entries(table) as [string, unknown][]) {
        const call = body as (...args: unknown[]) => unknown;
        if (["abort", "raise", "fail", "note", "poll32"].includes(name) || /^(read|write)\d/.test(name)) continue;
        asked.clear();
        const result = name.startsWith("open")
          ? call(0, 4, 0, 0)
          : name === "physical_address"
            ? call(0n)
            : call(0, 1, 0, 1, 0);
        const needs: readonly PermissionKey[] = (NEEDS[module]?.[name] ?? []).filter((key) => key !== "uncheckedDma");
        assert.ok(
          [...asked].every((key) => needs.includes(key as PermissionKey)),
          `${name} asked for ${[...asked].join()}`,
        );
        const missing = needs.filter((key) => key !== allowed);
        if (missing.length > 0) assert.is(Number(result), -13, name);
        assert.is(asked.size > 0, needs.length > 0, name);
      }
    }
    gate.closeAll();
  }
});

test("a device is refused by what it is, before its file is opened", async () => {
  // There is no /dev/uio0: to open it would be another error.
  const root = treeOf({ "sys/class/uio/uio0/name": "Secret\n", "sys/class/uio/uio0/maps/map0/size": "0x1000\n" });
  mkdirSync(join(root, "dev"));
  const runtime = await createRuntime({ board: "linux", sysroot: root, permissions: { allow: { device: ["uio0"] } } });
  const script = temporaryFile(
    "open.ts",
    'import { UioDevice } from "axiscript/assembly";\nUioDevice.open(process.argv[1]);',
  );
  for (const name of ["uio0", "Secret"]) {
    const error = await rejectsWith("ERR_AXI_NOT_ALLOWED", () => runtime.run(script, { args: [name] }));
    assert.match(error.message, "--allow-device=Secret");
  }
  const permissions = { allow: { device: ["Secret"], uncheckedDma: ["Secret"] } };
  await rejectsWith("ERR_AXI_DEVICE_ACCESS", () => runtime.run(script, { args: ["uio0"], permissions }));
  await runtime.close();
});

test.run();
