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

const folderOf = (path: string) => (path.split("/")[0] ?? "").replace(/\.ts$/, "");

/** The source file that an import means. */
function fileOf(used: string, files: ReadonlyMap<string, string>): string {
  const base = used.replace(/\.js$/, "");
  return files.has(`${base}.ts`) ? `${base}.ts` : `${base}/index.ts`;
}

/**
 * The rooms of the host from the bottom up: a file uses files of its own room and of those before it. Who drives devices
 * so knows nothing of a board that is imitated.
 */
const ROOMS = ["util", "wasm", "native", "files", "description", "dma", "linux", "memory", "gate"];
const UPPER_ROOMS = ["board", "runtime", "doctor", "index", "cli"];

test("rooms use those below them", () => {
  const order = [...ROOMS, ...UPPER_ROOMS];
  const files = [...sources()];
  assert.ok(files.length > 200);
  for (const [path, text] of files) {
    if (path.endsWith(".d.ts")) continue;
    const level = order.indexOf(folderOf(path));
    assert.ok(level >= 0, path);
    for (const used of importsOf(path, text)) assert.ok(order.indexOf(folderOf(used)) <= level, `${path} uses ${used}`);
  }
});

test("no files use each other in a circle", () => {
  const files = sources();
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]) => {
    if (way.includes(path)) assert.unreachable([...way.slice(way.indexOf(path)), path].join(" -> "));
    if (done.has(path)) return;
    for (const used of importsOf(path, files.get(path) ?? "")) visit(fileOf(used, files), [...way, path]);
    done.add(path);
  };
  for (const path of files.keys()) visit(path, []);
});

test("the rest asks which board it is only to make one, and for what is allowed without a flag", () => {
  const asking = [...sources()].filter(
    ([path, text]) => folderOf(path) !== "board" && /(?<!platform )[!=]== "(virtual|linux)"/.test(text),
  );
  assert.equal(asking.map(([path]) => path).sort(), [
    // The option --board.
    "cli/run.ts",
    "runtime/permissions/create.ts",
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
