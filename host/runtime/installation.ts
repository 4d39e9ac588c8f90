import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { AxiscriptError, errnoCode, messageOf } from "../util/errors";
import { HOST_DIRECTORY } from "../util/host-directory";

/**
 * The directory of this package. Every module of the host lies three levels below it, in the bundled programs too: a
 * bundle has no `module.paths`, and what is looked for upwards may not be there.
 */
export const PACKAGE = join(HOST_DIRECTORY, "../..");

/**
 * The version of this package.
 *
 * @throws AxiscriptError ERR_AXI_INSTALLATION
 */
export function packageVersion(): string {
  const manifest = JSON.parse(readPackageFile("package.json")) as { version: string };
  return manifest.version;
}

/**
 * A text file that belongs to this package.
 *
 * @param name relative to the package
 * @throws AxiscriptError ERR_AXI_INSTALLATION if it is not there
 */
export function readPackageFile(name: string): string {
  const path = join(PACKAGE, name);
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw incompleteInstallation(messageOf(cause), cause);
  }
}

/** The error for a part of the installation that is missing. */
export function incompleteInstallation(missing: string, cause?: unknown): AxiscriptError {
  return new AxiscriptError(
    "ERR_AXI_INSTALLATION",
    `Cannot use this installation of axiscript: ${missing}. Install it again, with the packages that it needs.`,
    { cause },
  );
}

/** As an error of the installation, if a file or package of it that is missing is the cause; otherwise the error itself. */
export function withInstallation(error: unknown): unknown {
  const code = errnoCode(error) ?? "";
  const [said = ""] = messageOf(error).split("\n");
  if (/^(?:ERR_)?MODULE_NOT_FOUND$|^ERR_DLOPEN_FAILED$/.test(code) || /native koffi module/i.test(said)) {
    return incompleteInstallation(said, error);
  }
  const path = error instanceof Error && "path" in error ? error.path : undefined;
  const isOurs = typeof path === "string" && path.startsWith(join(PACKAGE, "dist/host/"));
  return isOurs ? incompleteInstallation(said, error) : error;
}

/** `node_modules/NAME` in a directory or the nearest one above it, as Node looks for what is imported from there. */
export function findInstalled(start: string, name: string): string | undefined {
  const candidate = join(start, "node_modules", name);
  if (existsSync(candidate)) return candidate;
  const parent = dirname(start);
  return parent === start ? undefined : findInstalled(parent, name);
}

/** The version of the compiler that is installed for this package; `undefined` if none is. */
export function compilerVersion(): string | undefined {
  // Its main module exists for `import` only, so that it cannot be resolved from here.
  const manifest = findInstalled(PACKAGE, "assemblyscript/package.json");
  if (manifest === undefined) return undefined;
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}
