import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compileScript, writeScript } from "../../host/index";
import { axiscript, PACKAGE } from "../support/cli";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("start of a run");

/** Writes down every JavaScript file that is loaded, in every thread. */
const recorder = (list: string) => `
const { appendFileSync } = require("node:fs");
const extensions = require("node:module")._extensions;
const load = extensions[".js"];
extensions[".js"] = (module, file) => {
  appendFileSync(${JSON.stringify(list)}, file + "\\n");
  load(module, file);
};`;

test("a compiled script runs with one file for each thread, without yargs and the compiler", async () => {
  const directory = temporaryDirectory();
  const [script, list] = [join(directory, "script.wasm"), join(directory, "loaded")];
  const source = join(PACKAGE, "examples/numpy-acceleration.ts");
  writeScript(await compileScript(source, { cacheDirectory: false }), script);
  const { status, stderr } = await axiscript(["run", "--board=virtual", "--timeout=30s", script], {
    nodeOptions: ["--require", temporaryFile("recorder.js", recorder(list))],
  });
  assert.is(status, 0, stderr);
  const loaded = readFileSync(list, "utf8").trimEnd().split("\n");
  const others = loaded.filter((file) => !/\/node_modules\/(?:koffi|@koromix)\//.test(file));
  assert.equal(others.map((file) => relative(PACKAGE, file)).sort(), [
    "dist/host/board/worker.js",
    "dist/host/cli/main.js",
  ]);
});

test.run();
