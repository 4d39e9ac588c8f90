import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PACKAGE } from "./support/cli";

const test = suite("layers");

const HOST = join(PACKAGE, "host");

/** The host's source files by folder: text without comments. */
function sources(): Map<string, string> {
  const files = readdirSync(HOST, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  return new Map(
    files.map((path) => [path, readFileSync(join(HOST, path), "utf8").replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "")]),
  );
}

function importsOf(path: string, text: string): string[] {
  const names = [...text.matchAll(/(?:from|require\(|import\()\s*"(\.[^"]+)"/g)].map(([, name = ""]) => name);
  return names.map((name) => relative(HOST, join(HOST, dirname(path), name)));
}

const folderOf = (path: string) => path.split("/")[0] ?? "";

test("what drives devices does not know of a board that is imitated", () => {
  const files = [...sources()].filter(([path]) =>
    ["gate", "memory", "devices", "native", "wasm"].includes(folderOf(path)),
  );
  assert.ok(files.length > 50);
  for (const [path, text] of files) {
    const reached = importsOf(path, text).map(folderOf);
    assert.not(reached.includes("board") || reached.includes("runtime") || reached.includes("cli"), path);
    // A message may advise to use one.
    const code = text.replace(/"[^"\n]*"|`[^`]*`/g, '""');
    assert.not.match(code, /virtual(?!ly|_?address|ToPhysical)|simulat|imitat|emulat/i, path);
  }
});

test("the rest asks which board it is only to make one, and for what is allowed without a flag", () => {
  const asking = [...sources()].filter(
    ([path, text]) => folderOf(path) !== "board" && /(?<!platform )[!=]== "(virtual|linux)"/.test(text),
  );
  assert.equal(asking.map(([path]) => path).sort(), [
    // The option --board.
    "cli/run.ts",
    "runtime/permissions.ts",
    "runtime/permissions/rules.ts",
    "runtime/runtime.ts",
  ]);
});

test("only the runtime makes boards, and only native code calls libraries", () => {
  for (const [path, text] of sources()) {
    if (folderOf(path) !== "native") assert.not.match(text, /from "koffi"|require\("koffi"\)/, path);
    if (["board", "runtime", "cli"].includes(folderOf(path)) || !path.includes("/")) continue;
    assert.not(importsOf(path, text).map(folderOf).includes("board"), path);
  }
});

test.run();
