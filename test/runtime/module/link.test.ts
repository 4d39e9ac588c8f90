import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ABI_TABLE } from "../../../host/runtime/abi/abi";
import { checkLinks } from "../../../host/runtime/module/link";
import { readInterface, sourceMapUrl, withSourceMapUrl } from "../../../host/runtime/module/wasm-binary";
import { rejectsWith } from "../../support/expect";
import { runFile } from "../../support/run-script";
import { temporaryFile } from "../../support/temporary";
import { assemble, type ModuleSketch } from "../../support/wasm";

const test = suite("linking");
const MEMORY = [1] as const;
const NOTHING: readonly number[] = [];

function link(sketch: ModuleSketch) {
  const bytes = assemble({ importMemory: MEMORY, start: NOTHING, ...sketch });
  new WebAssembly.Module(bytes);
  return checkLinks(readInterface(bytes));
}

test("every function of the table links with its own signature, and with no other", async () => {
  for (const [module, functions] of ABI_TABLE) {
    for (const [name, { signature }] of functions) {
      const parameters = [...signature.parameters] as ("i32" | "i64")[];
      const results = [...signature.results] as ("i32" | "i64")[];
      link({ imports: [{ module, name, parameters, results }] });
      const wrong = { module, name, parameters: [...parameters, "i32" as const], results };
      const { message } = await rejectsWith("ERR_AXI_LINK", () => link({ imports: [wrong] }));
      assert.match(message, `${module}.${name}: expected (${parameters.join(", ")})`);
      assert.match(message, `found (${[...parameters, "i32"].join(", ")})`);
    }
  }
});

test("an import that does not exist is refused with what does", async () => {
  const imports = [
    {
      module: "axiscript:uio@1",
      name: "read16",
      parameters: ["i32", "i32"] as ["i32", "i32"],
      results: ["i32"] as ["i32"],
    },
    { module: "gpio", name: "set" },
  ];
  const { message } = await rejectsWith("ERR_AXI_LINK", () => link({ imports }));
  assert.match(message, "axiscript:uio@1.read16: expected nothing of that name, found (i32, i32) -> (i32)");
  assert.match(message, "read32");
  assert.match(message, "gpio.set");
});

test("Node's WASI has every function of the table", () => {
  const { WASI } = require("node:wasi") as typeof import("node:wasi");
  const { wasiImport } = new WASI({ version: "preview1" });
  const names = [...(ABI_TABLE.get("wasi_snapshot_preview1")?.keys() ?? [])].sort();
  assert.equal(names, Object.keys(wasiImport).sort());
});

test("memory is the host's: its limits are read, a module's own is refused", async () => {
  assert.equal(link({ importMemory: [2, 300] }), { initial: 2, maximum: 300 });
  assert.equal(link({ importMemory: [17] }), { initial: 17 });
  const own = () => checkLinks(readInterface(assemble({ ownMemory: true, start: NOTHING })));
  assert.match((await rejectsWith("ERR_AXI_LINK", own)).message, "--importMemory");
});

test("a module without an entry is refused", async () => {
  const without = () => checkLinks(readInterface(assemble({ importMemory: MEMORY })));
  await rejectsWith("ERR_AXI_NO_ENTRY", without);
});

test("a script of another language runs: no AssemblyScript, no source map", async () => {
  const exit = { module: "wasi_snapshot_preview1", name: "proc_exit", parameters: ["i32" as const] };
  const wasm = assemble({ imports: [exit], importMemory: MEMORY, start: [0x41, 42, 0x10, 0] });
  assert.is((await runFile(temporaryFile("c.wasm", wasm))).exitCode, 42);
});

test("nothing of a module runs before it is linked", async () => {
  const wasm = assemble({ imports: [{ module: "x", name: "y" }], importMemory: MEMORY, start: [0x00] });
  await rejectsWith("ERR_AXI_LINK", () => runFile(temporaryFile("x.wasm", wasm)));
});

test("what is no module is refused, wherever it is cut off", async () => {
  const wasm = assemble({ importMemory: MEMORY, start: NOTHING });
  for (let length = 0; length < wasm.length; length++) {
    const file = temporaryFile("cut.wasm", wasm.subarray(0, length));
    await rejectsWith(["ERR_AXI_NOT_WASM", "ERR_AXI_NO_ENTRY"], () => runFile(file));
  }
});

test("a source map's name replaces the one before it", () => {
  const wasm = assemble({ start: NOTHING });
  const once = withSourceMapUrl(wasm, "a".repeat(300));
  assert.is(sourceMapUrl(once), "a".repeat(300));
  assert.is(sourceMapUrl(withSourceMapUrl(once, "b.map")), "b.map");
  assert.is(sourceMapUrl(wasm), undefined);
});

test.run();
