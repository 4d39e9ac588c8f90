import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE } from "./cli";
import { temporaryDirectory } from "./temporary";

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function execute(cwd: string, command: string, ...args: string[]): Outcome {
  return spawnSync(command, args, { cwd, encoding: "utf8", timeout: 300_000 });
}

/** Packs the package as it was built; gives the archive's path. */
export function pack(directory: string): string {
  const packed = execute(PACKAGE, "npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", directory);
  if (packed.status !== 0) throw new Error(packed.stderr);
  return join(directory, packed.stdout.trim());
}

/** A project in which the packed package lies as npm puts it, with the packages of this tree around it. */
export class PackedProject {
  readonly directory = temporaryDirectory();
  readonly installed = join(this.directory, "node_modules/axiscript");

  constructor() {
    const modules = join(this.directory, "node_modules");
    mkdirSync(join(modules, ".bin"), { recursive: true });
    for (const name of readdirSync(join(PACKAGE, "node_modules"))) {
      if (!name.startsWith(".")) symlinkSync(join(PACKAGE, "node_modules", name), join(modules, name));
    }
    const unpacked = execute(modules, "tar", "--extract", "--file", pack(this.directory));
    if (unpacked.status !== 0) throw new Error(unpacked.stderr);
    renameSync(join(modules, "package"), this.installed);
    symlinkSync("../axiscript/dist/host/cli/main.js", join(modules, ".bin/axiscript"));
  }

  /** Does something while a part of `node_modules` is not there. */
  without(part: string, body: () => void): void {
    const path = join(this.directory, "node_modules", part);
    renameSync(path, `${path}.away`);
    try {
      body();
    } finally {
      renameSync(`${path}.away`, path);
    }
  }

  /** Runs the package's command, as npm's link to it is run. */
  axiscript(...args: string[]): Outcome {
    return execute(this.directory, join(this.directory, "node_modules/.bin/axiscript"), ...args);
  }
}
