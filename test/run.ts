import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";

/**
 * Runs every test file in a process of its own and counts what uvu counts. A file that runs no test is a failure: uvu
 * itself passes a file that forgets to call `test.run()`.
 *
 * Arguments: `--kernel` for the tests that boot a kernel, in place of the others; parts of file names, to run only those.
 */
const SOURCES = join(__dirname, "../../test");
const COUNT = /Total:\s+(\d+)\s+Passed:\s+(\d+)\s+Skipped:\s+(\d+)/;

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { kernel: { type: "boolean", default: false } },
});
const FILE_TIMEOUT_MS = (options.kernel ? 20 : 10) * 60_000;
const suffix = options.kernel ? ".kernel.ts" : ".test.ts";
const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(suffix) && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
  .sort();

let passed = 0;
let failed = 0;
let skipped = 0;
for (const file of files) {
  const started = performance.now();
  const script = join(__dirname, file.replace(/\.ts$/, ".js"));
  const { stdout, stderr, status } = spawnSync(process.execPath, [script], {
    encoding: "utf8",
    timeout: FILE_TIMEOUT_MS,
    env: { ...process.env, FORCE_COLOR: "0" },
  });
  const [, total = 0, good = 0, leftOut = 0] = (COUNT.exec(stdout) ?? []).map(Number);
  const bad = Math.max(total - good - leftOut, status === 0 && total + leftOut > 0 ? 0 : 1);
  passed += good;
  failed += bad;
  skipped += leftOut;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const line = `${relative(process.cwd(), join(SOURCES, file))}  ${good} passed${bad ? `, ${bad} FAILED` : ""}`;
  process.stdout.write(`${line}${leftOut ? `, ${leftOut} skipped` : ""}  (${seconds} s)\n`);
  for (const skip of stdout.matchAll(/^SKIPPED: .*$/gm)) process.stdout.write(`    ${skip[0]}\n`);
  if (bad > 0) process.stdout.write(`${stdout}\n${stderr}\nexit status ${status}\n`);
}

if (passed + failed === 0) {
  process.stdout.write("no test ran\n");
  failed = 1;
}
process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exitCode = failed > 0 ? 1 : 0;
