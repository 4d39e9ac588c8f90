import { appendFileSync, chmodSync, cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compileScript } from "../../../host/index";
import { PACKAGE } from "../../support/cli";
import { rejectsWith } from "../../support/expect";
import { temporaryDirectory, temporaryFile } from "../../support/temporary";

const test = suite("compile");

/** Compiles, and says whether the compiler was started. */
async function compile(path: string, cacheDirectory: string | false): Promise<boolean> {
  let started = false;
  await compileScript(path, {
    cacheDirectory,
    optimize: "0",
    onCompile: () => {
      started = true;
    },
  });
  return started;
}

test("a script that is unchanged is not compiled again; one whose imports changed is", async () => {
  const cache = temporaryDirectory();
  const script = temporaryFile("a.ts", 'import { b } from "./b"; console.log(b.toString());');
  const imported = join(dirname(script), "b.ts");
  writeFileSync(imported, "export const b: i32 = 1;");
  assert.ok(await compile(script, cache));
  assert.not(await compile(script, cache));
  writeFileSync(imported, "export const b: i32 = 2;");
  assert.ok(await compile(script, cache));
  writeFileSync(imported, "export const b: i32 = 1; ");
  assert.ok(await compile(script, cache));
});

test("a file that would now be found first makes the difference", async () => {
  const cache = temporaryDirectory();
  const script = temporaryFile("a.ts", 'import { b } from "./b"; console.log(b.toString());');
  mkdirSync(join(dirname(script), "b"));
  writeFileSync(join(dirname(script), "b/index.ts"), "export const b: i32 = 1;");
  assert.ok(await compile(script, cache));
  assert.not(await compile(script, cache));
  writeFileSync(join(dirname(script), "b.ts"), "export const b: i32 = 2;");
  assert.ok(await compile(script, cache));
});

test("what another copy of the package compiled, with its own library, is not this one's", async () => {
  const cache = temporaryDirectory();
  const script = temporaryFile("a.ts", 'import { hex } from "axiscript/assembly"; console.log(hex(1));');
  const copy = temporaryDirectory();
  for (const name of ["assembly", "asconfig.json", "package.json", "dist/host"]) {
    cpSync(join(PACKAGE, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(PACKAGE, "node_modules"), join(copy, "node_modules"));
  const { compileScript: compileWithCopy } = createRequire(script)(join(copy, "dist/host")) as {
    compileScript: typeof compileScript;
  };
  const options = { cacheDirectory: cache, optimize: "0" } as const;
  const { wasm } = await compileScript(script, options);
  appendFileSync(join(copy, "assembly/index.ts"), "memory.fill(64, 1, 1);\n");
  assert.not(Buffer.from(wasm).equals((await compileWithCopy(script, options)).wasm));
  assert.not(await compile(script, cache));
});

test("a damaged cache is no cache", async () => {
  const cache = temporaryDirectory();
  const script = temporaryFile("a.ts", 'console.log("x");');
  assert.ok(await compile(script, cache));
  for (const suffix of [".wasm", ".json"]) {
    for (const name of readdirSync(cache).filter((file) => file.endsWith(suffix)))
      writeFileSync(join(cache, name), "broken");
    assert.ok(await compile(script, cache), suffix);
    assert.not(await compile(script, cache), suffix);
  }
  for (const name of readdirSync(cache)) rmSync(join(cache, name));
  assert.ok(await compile(script, cache));
});

test("without a cache, or with one that cannot be written, scripts compile", async () => {
  const script = temporaryFile("a.ts", 'console.log("x");');
  assert.ok(await compile(script, false));
  const file = temporaryFile("not-a-directory", "");
  chmodSync(file, 0o444);
  assert.ok(await compile(script, join(file, "cache")));
});

test("a mistake is reported with file and line, as the compiler says it", async () => {
  const script = temporaryFile("wrong.ts", 'const fine = 1;\nconst x: i32 = "text";\n');
  const { message } = await rejectsWith("ERR_AXI_COMPILE", () => compileScript(script, { cacheDirectory: false }));
  assert.match(message, /wrong\.ts\(2,16\)/);
  assert.match(message, "TS2322");
});

test("a file that is missing, and one of another sort, are refused", async () => {
  await rejectsWith("ERR_AXI_SCRIPT_NOT_FOUND", () => compileScript("/nonexistent/a.ts"));
  await rejectsWith("ERR_AXI_SCRIPT_NOT_FOUND", () => compileScript("/nonexistent/a.wasm"));
  await rejectsWith("ERR_AXI_USAGE", () => compileScript(temporaryFile("a.py", "")));
  const directory = join(temporaryDirectory(), "directory.ts");
  mkdirSync(directory);
  await rejectsWith("ERR_AXI_IO", () => compileScript(directory));
});

test("a script may declare host functions of its own", async () => {
  const script = temporaryFile(
    "script.ts",
    `// @ts-ignore: decorator
@external("axiscript:memory@1", "virtual_address") declare function virtualAddress(pointer: usize): i64;
console.log(virtualAddress(0) > 0 ? "somewhere" : "nowhere");`,
  );
  const { wasm } = await compileScript(script, { cacheDirectory: false });
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(wasm));
  assert.ok(imports.some(({ name }) => name === "virtual_address"));
});

test.run();
