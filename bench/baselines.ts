import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandLine, outputOf, Skip } from "./measure";

const SOURCES = join(__dirname, "../../bench");

const programs = new Map<string, string>();
let directory: string | undefined;

/**
 * Compiles a program of `bench/c` as a distribution would, with -O2; once.
 *
 * @param options more for the compiler
 * @returns the program
 * @throws Skip where there is no compiler
 */
export function cProgram(name: string, ...options: string[]): string {
  const file = [name, ...options].join("");
  const compiled = programs.get(file);
  if (compiled !== undefined) return compiled;
  if (!exists("cc")) throw new Skip("there is no C compiler (cc)");
  const program = join(temporaryDirectory(), file);
  outputOf(["cc", "-O2", ...options, "-o", program, join(SOURCES, "c", `${name}.c`)]);
  programs.set(file, program);
  return program;
}

/**
 * The command that runs a program of `bench/python`.
 *
 * @throws Skip where there is no interpreter
 */
export function pythonProgram(name: string): CommandLine {
  if (!exists("python3")) throw new Skip("there is no Python (python3)");
  return ["python3", join(SOURCES, "python", `${name}.py`)];
}

function exists(command: string): boolean {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
}

function temporaryDirectory(): string {
  if (directory === undefined) {
    const made = mkdtempSync(join(tmpdir(), "axiscript-bench-"));
    process.on("exit", () => rmSync(made, { recursive: true, force: true }));
    directory = made;
  }
  return directory;
}
