import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseDuration } from "../../host/cli/duration";
import { packageVersion } from "../../host/index";
import { axiscript } from "../support/cli";
import { temporaryDirectory, temporaryFile } from "../support/temporary";

const test = suite("commands");

test("help shows every command with an example; each command explains itself", async () => {
  const help = await axiscript(["--help"]);
  assert.is(help.status, 0);
  assert.match(
    help.stdout,
    /axiscript run[\s\S]*axiscript build[\s\S]*axiscript completion[\s\S]*Examples:[\s\S]*Exit codes/,
  );
  for (const command of ["run", "build"]) {
    const { stdout, status } = await axiscript([command, "--help"]);
    assert.is(status, 0);
    assert.match(stdout, new RegExp(`axiscript ${command} <script>[\\s\\S]*Examples:\\s+axiscript ${command} `));
  }
});

test("a listing whose reader is gone ends as quietly as if SIGPIPE had ended it", async () => {
  const { stderr, status } = await axiscript(["doctor", "--json"], { stdout: "closed" });
  assert.equal({ stderr, status }, { stderr: "", status: 141 });
});

test("--version is the package's", async () => {
  for (const args of [["--version"], ["-v"], ["run", "--version"]]) {
    assert.is((await axiscript(args)).stdout, `${packageVersion()}\n`);
  }
});

test("completion prints a script for the shell, and completes commands and options", async () => {
  assert.match((await axiscript(["completion"])).stdout, "_axiscript");
  const commands = await axiscript(["--get-yargs-completions", "axiscript", ""]);
  assert.match(commands.stdout, /^run/m);
  assert.match(commands.stdout, /^build/m);
  const options = await axiscript(["--get-yargs-completions", "axiscript", "run", "--t"]);
  assert.match(options.stdout, /^--timeout/m);
});

test("what follows the script's name is the script's", async () => {
  const script = temporaryFile("args.ts", 'console.log(process.argv.slice(1).join("|"));');
  for (const args of [
    ["run", "--board", "virtual", "-O", "0", script, "--help", "-x", "--timeout", "5", "--", "a"],
    ["run", "--board=virtual", "-O0", "--", script, "--help", "-x", "--timeout", "5", "--", "a"],
  ]) {
    const { stdout, stderr } = await axiscript(args);
    assert.is(stdout, "--help|-x|--timeout|5|--|a\n", stderr);
  }
});

test("of an option that is given several times the last counts, and faults add up", async () => {
  const script = temporaryFile("args.ts", 'console.log("ran");');
  const twice = [
    "--board=linux",
    "--board=virtual",
    "--timeout=1ms",
    "--timeout=9s",
    "--seed=1",
    "--seed=2",
    "-O3",
    "-O0",
  ];
  const { stdout, stderr } = await axiscript(["run", ...twice, script]);
  assert.is(stdout, "ran\n", stderr);
  const faults = await axiscript(["run", "--fault", "hp:broken", "--fault", "acp:never-done", script]);
  assert.match(faults.stderr, /hp:broken/);
  const [first, second] = [join(temporaryDirectory(), "1.wasm"), join(temporaryDirectory(), "2.wasm")];
  assert.is((await axiscript(["build", script, "-o", first, "-o", second])).status, 0);
  assert.not(existsSync(first));
  assert.ok(existsSync(second));
});

test("file names that look like options or hold odd characters are file names", async () => {
  const directory = temporaryDirectory();
  for (const name of ["-dash.ts", "two words.ts", "ünï.ts"]) {
    writeFileSync(join(directory, name), 'console.log("ran");');
    const { stdout, stderr } = await axiscript(["run", "--board=virtual", "--", name], { cwd: directory });
    assert.is(stdout, "ran\n", stderr);
  }
});

test("one line on stderr says which board was chosen, and none if the user chose", async () => {
  const script = temporaryFile("a.ts", 'console.log("a");');
  const { stdout, stderr } = await axiscript(["run", script]);
  assert.is(stdout, "a\n");
  assert.is(stderr.trim().split("\n").length, 1);
  assert.match(stderr, /board|UIO devices/);
  assert.is((await axiscript(["run", "--board=virtual", script])).stderr, "");
});

test("build writes a module that runs by itself, with a source map of the right name", async () => {
  const script = temporaryFile("trap.ts", "function f(): void {\n  unreachable();\n}\nf();");
  const out = join(temporaryDirectory(), "sub.wasm");
  const built = await axiscript(["build", basename(script), "-o", out, "-O3"], { cwd: dirname(script) });
  assert.is(built.status, 0, built.stderr);
  assert.is(built.stdout, "");
  const { sources } = JSON.parse(readFileSync(`${out}.map`, "utf8")) as { sources: string[] };
  assert.ok(sources.some((source) => source.endsWith("trap.ts") && existsSync(join(dirname(out), source))));
  const run = await axiscript(["run", "--board=virtual", out], { cwd: dirname(script) });
  assert.is(run.status, 134);
  assert.match(run.stderr, "at trap.ts:2:3");
});

test("build without -o writes beside the script", async () => {
  const script = temporaryFile("a.ts", 'console.log("built");');
  assert.is((await axiscript(["build", script])).status, 0);
  assert.is((await axiscript(["run", "--board=virtual", script.replace(".ts", ".wasm")])).stdout, "built\n");
});

test("build into a place that cannot be written is an error", async () => {
  const script = temporaryFile("a.ts", 'console.log("built");');
  const { status, stderr } = await axiscript(["build", script, "-o", "/nonexistent/a.wasm"]);
  assert.is(status, 1);
  assert.match(stderr, /^ERR_AXI_IO: Cannot write \/nonexistent\/a\.wasm/);
});

test("durations are read as people write them", () => {
  const milliseconds = { "500ms": 500, "2s": 2000, "1.5m": 90_000, "1h": 3_600_000, "3": 3000, "0.25": 250 };
  for (const [text, expected] of Object.entries(milliseconds)) assert.is(parseDuration(text), expected);
  for (const text of ["", "s", "-1s", "1d", "1e3", "0s", "0.1ms", " 1s"]) assert.throws(() => parseDuration(text));
});

test.run();
