import { join } from "node:path";
import { buildSync } from "esbuild";
import { HOST_DIRECTORY } from "../host/util/host-directory";

/** The programs that every `axiscript run` starts, and what each begins with. */
const PROGRAMS = {
  "cli/main": "cli/entry.js",
  "board/worker": "board/entry.js",
  "runtime/worker": "runtime/run/script-worker.js",
} as const;

/**
 * Puts each of the programs, as the TypeScript compiler left it, into one file with all modules of the host that it
 * uses: Node takes 0.3 ms to find and load a module, and a run uses a hundred. What they require late is evaluated late
 * in there, too.
 *
 * A module can so lie in another folder than its own: it finds files from `HOST_DIRECTORY`.
 */
export function bundlePrograms(): void {
  buildSync({
    entryPoints: Object.entries(PROGRAMS).map(([out, entry]) => ({ out, in: join(HOST_DIRECTORY, entry) })),
    outdir: HOST_DIRECTORY,
    bundle: true,
    minifyWhitespace: true,
    packages: "external",
    platform: "node",
    target: "node20.19",
    logLevel: "warning",
  });
}
