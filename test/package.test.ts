import { copyFileSync, cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Finding } from "../host/index";
import { PACKAGE } from "./support/cli";
import { reserveHugePages } from "./support/huge-pages";
import { treeOf, uDmaBufFiles, uioFiles } from "./support/machine";
import { execute, pack, PackedProject } from "./support/packed";
import { readmeBlocks } from "./support/readme";
import { mayLock, testWhere } from "./support/rights";
import { temporaryDirectory } from "./support/temporary";

const test = suite("package");

/** An empty project with the packed package in it, as a new user makes it. */
function install(...flags: string[]): string {
  const project = temporaryDirectory();
  const archive = pack(project);
  execute(project, "npm", "init", "-y");
  const installed = execute(project, "npm", "install", "--prefer-offline", ...flags, archive);
  assert.is(installed.status, 0, installed.stderr);
  return project;
}

/** The script in the README, and what it prints. */
const SCRIPT =
  readmeBlocks("ts").find((code) => code.startsWith("import") && code.includes("axiscript/assembly")) ?? "";
const EXPECTED = `[${[...Array(16).keys(), 7, 8, 9, 10, ...Array<number>(12).fill(0)].join(", ")}]\n`;

const reachable = execute(PACKAGE, "npm", "view", "yargs@17.7.2", "version").status === 0;
const withRegistry = testWhere(test, reachable, "no package registry can be reached");
withRegistry(
  "the README's project works: install, types in the editor, run, build, and run without the compiler",
  () => {
    const project = install();
    writeFileSync(join(project, "script.ts"), SCRIPT);
    writeFileSync(
      join(project, "tsconfig.json"),
      '{ "extends": "axiscript/tsconfig.script.json", "include": ["*.ts"] }\n',
    );
    const types = execute(
      project,
      process.execPath,
      join(PACKAGE, "node_modules/typescript/bin/tsc"),
      "--project",
      ".",
    );
    assert.is(types.stdout, "");
    assert.is(types.status, 0);
    writeFileSync(join(project, "wrong.ts"), 'import { AxiProxy } from "axiscript/assembly"; AxiProxy.nothing();');
    const wrong = execute(
      project,
      process.execPath,
      join(PACKAGE, "node_modules/typescript/bin/tsc"),
      "--project",
      ".",
    );
    assert.match(wrong.stdout, "nothing");

    const run = execute(project, "npx", "axiscript", "run", "--board=virtual", "script.ts");
    assert.is(run.stdout, EXPECTED, run.stderr);
    assert.is(execute(project, "npx", "axiscript", "build", "script.ts", "-o", "script.wasm").status, 0);

    cpSync(join(project, "node_modules/axiscript/examples/own-model"), join(project, "own-model"), { recursive: true });
    const flags = ["--board=virtual", "--model", "own-model/crc32.mjs", "--devices", "own-model"];
    const ownModel = execute(project, "npx", "axiscript", "run", ...flags, "own-model/checksum.ts");
    assert.match(ownModel.stdout, /^123456789: cbf43926\n/, ownModel.stderr);
    assert.ok(existsSync(join(project, "node_modules/axiscript/docs/models.md")));

    const board = install("--omit=peer");
    assert.not(existsSync(join(board, "node_modules/assemblyscript")));
    assert.not(existsSync(join(board, "node_modules/binaryen")));
    copyFileSync(join(project, "script.wasm"), join(board, "script.wasm"));
    copyFileSync(join(project, "script.ts"), join(board, "script.ts"));
    const compiled = execute(board, "npx", "axiscript", "run", "--board=virtual", "script.wasm");
    assert.is(compiled.stdout, EXPECTED, compiled.stderr);
    const source = execute(board, "npx", "axiscript", "run", "--no-cache", "--board=virtual", "script.ts");
    assert.is(source.status, 2);
    assert.match(source.stderr, /^ERR_AXI_NO_COMPILER: .*assemblyscript/m);

    writeFileSync(
      join(project, "library.mjs"),
      `import { createRuntime, AxiscriptError } from "axiscript";
     const runtime = await createRuntime({ board: "virtual" });
     const { exitCode } = await runtime.run("script.wasm");
     await runtime.run("nowhere.wasm").catch((error) => console.log(error instanceof AxiscriptError, error.code, exitCode));
     await runtime.close();`,
    );
    const library = execute(project, process.execPath, "library.mjs");
    assert.is(library.stdout, `${EXPECTED}true ERR_AXI_SCRIPT_NOT_FOUND 0\n`, library.stderr);
  },
);

const BOARD = treeOf({
  "proc/self/pagemap": "",
  "lib/firmware/": "",
  "configfs/device-tree/overlays/": "",
  "sys/class/fpga_manager/fpga0/name": "Xilinx ZynqMP FPGA Manager\n",
  "sys/class/fpga_manager/fpga0/state": "operating\n",
  ...uioFiles("uio0", "AxiProxy", "hp"),
  ...uDmaBufFiles("udmabuf0", true),
});

let shared: PackedProject | undefined;
const packed = () => (shared ??= new PackedProject());

function findings(...args: string[]): Map<string, Finding> {
  const { stdout, stderr } = packed().axiscript("doctor", "--json", ...args);
  assert.is(stderr, "");
  return new Map((JSON.parse(stdout) as Finding[]).map((finding) => [finding.id, finding]));
}

test("the packed command examines all that it asks for, and finds the compiler where it is installed", () => {
  const found = findings("--sysroot", BOARD);
  assert.is(found.get("compiler")?.status, "ok");
  assert.match(found.get("compiler")?.found ?? "", /^assemblyscript \d+\.\d+\.\d+$/);
  for (const { id, found: text } of found.values()) assert.not.match(text, "could not be examined", id);
  packed().without("assemblyscript", () => {
    const compiler = findings("--sysroot", treeOf({})).get("compiler");
    assert.is(compiler?.status, "warning");
    assert.match(compiler?.found ?? "", "assemblyscript is not installed");
  });
});

const hugePages = reserveHugePages(8);
test.after(() => hugePages.release());
testWhere(
  test,
  hugePages.available && mayLock(64 * 2 ** 20),
  "no huge pages can be had, or little memory be locked, which is a warning",
)("the packed command says that all is well where it is: doctor exits 0", () => {
  const { status, stdout } = packed().axiscript("doctor", "--sysroot", BOARD);
  assert.is(status, 0, stdout);
  assert.match(stdout, / ok, 0 warnings, 0 missing\n$/);
});

test("of an installation that lacks a part, each command says which, and what does not need it goes on", () => {
  const project = packed();
  writeFileSync(join(project.directory, "hello.ts"), 'console.log("hello");');
  const build = project.axiscript("build", "hello.ts", "-o", "hello.wasm");
  assert.is(build.status, 0, build.stderr);
  const RUN = ["run", "--board=virtual", "hello.wasm"];
  const COMPILE = ["run", "--no-cache", "--board=virtual", "hello.ts"];
  for (const [part, failing, working] of [
    ["axiscript/asconfig.json", COMPILE, RUN],
    ["axiscript/package.json", ["--version"], RUN],
    [`axiscript/dist/host/gate/gate-${process.arch}.wasm`, RUN, ["--version"]],
    ["koffi", RUN, undefined],
    ["@assemblyscript", COMPILE, RUN],
    ["yargs", ["--version"], RUN],
  ] as const) {
    project.without(part, () => {
      const { status, stderr } = project.axiscript(...failing);
      assert.is(status, 2, `${part}: ${stderr}`);
      assert.match(stderr, /^ERR_AXI_INSTALLATION: .*Install it again/m, part);
      assert.match(stderr, part.replace("axiscript/", ""));
      if (working) assert.is(project.axiscript(...working).status, 0, part);
    });
  }
  project.without("assemblyscript", () => {
    assert.match(project.axiscript(...COMPILE).stderr, /^ERR_AXI_NO_COMPILER: .*assemblyscript/m);
  });
});

test("versions are exact, and nothing is compiled at installation", () => {
  const manifest = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")) as Record<
    string,
    Record<string, string>
  >;
  for (const group of ["dependencies", "devDependencies", "peerDependencies"]) {
    for (const version of Object.values(manifest[group] ?? {})) assert.match(version, /^\d+\.\d+\.\d+$/);
  }
  for (const hook of ["preinstall", "install", "postinstall"]) assert.not(manifest["scripts"]?.[hook]);
});

test.run();
