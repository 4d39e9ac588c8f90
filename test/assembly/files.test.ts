import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { PermissionOptions } from "../../host/index";
import { rejectsWith } from "../support/expect";
import { treeOf } from "../support/machine";
import { runText } from "../support/run-script";

const test = suite("files of scripts");

const IMPORT = 'import { readFile, readText, writeFile, writeText } from "axiscript/assembly";\n';
const READ = `${IMPORT}console.log(readText(process.argv[1]));`;
const WRITE = `${IMPORT}writeText(process.argv[1], process.argv[2]);`;

const root = treeOf({ "data/a.txt": "grün", "data/sub/b.txt": "b", "c.txt": "c" });
const data = join(root, "data");

async function read(path: string, permissions: PermissionOptions): Promise<string> {
  return (await runText(READ, { permissions }, { args: [path] })).stdout;
}

test("files are read and written by paths from the working directory, and by absolute ones", async () => {
  const permissions = { allow: { read: [root], write: [data] } };
  const from = (path: string) => relative(process.cwd(), path);
  for (const path of [
    join(data, "a.txt"),
    from(join(data, "a.txt")),
    `${data}//./a.txt`,
    `${from(root)}/./data/a.txt`,
  ]) {
    assert.is(await read(path, permissions), "grün\n");
  }
  await runText(WRITE, { permissions }, { args: [join(data, "new.txt"), "ä".repeat(70_000)] });
  assert.is(readFileSync(join(data, "new.txt"), "utf8"), "ä".repeat(70_000));
  await runText(WRITE, { permissions }, { args: [join(data, "new.txt"), ""] });
  assert.is(readFileSync(join(data, "new.txt"), "utf8"), "");
});

test("bytes come and go as they are, in any amount", async () => {
  const bytes = Buffer.alloc(3_000_000);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31) ^ (i >> 8);
  writeFileSync(join(data, "in.bin"), bytes);
  const source = `${IMPORT}
const bytes = readFile(process.argv[1] + "/in.bin");
writeFile(process.argv[1] + "/out.bin", bytes);
writeFile(process.argv[1] + "/part.bin", bytes.subarray(5, 10));
console.log(bytes.length.toString());`;
  const permissions = { allow: { read: [data], write: [data] } };
  const { stdout } = await runText(source, { permissions }, { args: [data] });
  assert.is(stdout, "3000000\n");
  assert.ok(readFileSync(join(data, "out.bin")).equals(bytes));
  assert.ok(readFileSync(join(data, "part.bin")).equals(bytes.subarray(5, 10)));
});

test("what is refused says which flag allows it, or that none does", async () => {
  mkdirSync(join(root, "we,ird 'dir'"));
  writeFileSync(join(root, "we,ird 'dir'/x"), "odd");
  symlinkSync("../c.txt", join(data, "out"));
  const allowed = { allow: { read: [data] } };
  const refused: [path: string, permissions: PermissionOptions, message: string][] = [
    [join(data, "a.txt"), {}, `the script may not. Allow it with --allow-read=${data}`],
    [join(root, "c.txt"), allowed, `the script may not. Allow it with --allow-read=${root}`],
    ["c.txt", allowed, "the script may not. Allow it with --allow-read=."],
    ["/c.txt", allowed, "the script may not. Allow it with --allow-read=/"],
    [`${root}/we,ird 'dir'/x`, allowed, `Allow it with --allow-read='${root}/we,,ird '\\''dir'\\'''`],
    [
      join(data, "a.txt"),
      { ...allowed, deny: { read: [join(data, "a.txt")] } },
      "it is denied, by --deny-read or a profile",
    ],
    [join(data, "out"), allowed, "it leads out of the directory that was granted, by .. or a symbolic link."],
    [`${data}/../c.txt`, allowed, "it leads out of the directory that was granted"],
  ];
  for (const [path, permissions, message] of refused) {
    const error = await rejectsWith("ERR_AXI_NOT_ALLOWED", () => read(path, permissions));
    assert.match(error.message, `Cannot read ${path}: `);
    assert.match(error.message, message);
  }
  const options = { permissions: allowed };
  const write = () => runText(WRITE, options, { args: [join(data, "a.txt"), "x"] });
  assert.match((await rejectsWith("ERR_AXI_NOT_ALLOWED", write)).message, `Allow it with --allow-write=${data}`);
  assert.is(readFileSync(join(data, "a.txt"), "utf8"), "grün");
});

test("what the system refuses is said in words", async () => {
  const permissions = { allow: { all: true as const } };
  for (const [path, message] of [
    [join(data, "nowhere"), "there is no such file"],
    [`${data}/a.txt/x`, "there is no such file"],
    ["/dev/null", "neither a file nor a directory"],
  ] as const) {
    const error = await rejectsWith("ERR_AXI_IO", () => read(path, permissions));
    assert.match(error.message, message);
  }
  const write = () => runText(WRITE, { permissions }, { args: [join(data, "sub"), "x"] });
  assert.match((await rejectsWith("ERR_AXI_IO", write)).message, "it is a directory");
});

test.run();
