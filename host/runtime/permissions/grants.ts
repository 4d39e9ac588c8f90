import { statSync } from "node:fs";
import { relative } from "node:path";
import type {
  FileGrants,
  FileIdentity,
  GrantedDirectory,
  Permission,
  PermissionRequest,
  Recorded,
  RunPermissions,
} from "./permission";
import type { Audit } from "./audit";
import { contains } from "./places";
import { Rules } from "./rules";

/** The permissions of a run that is given rules, or whose uses are recorded. */
export class Grants implements RunPermissions {
  readonly files?: FileGrants;
  readonly recordEnvironment?: () => void;
  readonly #rules: Rules;
  readonly #audit: Audit | undefined;
  /** Variables that the script was given. */
  #variables: readonly string[] = [];
  /** What is asked over and over, and was granted and recorded. */
  readonly #settled = new WeakSet<Permission>();

  /** @throws AxiscriptError ERR_AXI_USAGE, ERR_AXI_IO */
  constructor({ options = {}, audit, board, sysroot = "/", script }: PermissionRequest) {
    this.#rules = new Rules(options, board);
    const directories = this.#directories();
    this.#audit = audit === undefined ? undefined : openAudit(audit, script);
    if (directories.length > 0) this.files = { directories, ...this.#limits(audit, sysroot) };
    if (this.#audit) this.recordEnvironment = () => this.#recordEnvironment();
  }

  permits(permission: Permission): boolean {
    return this.#rules.allows(permission) && !this.#rules.denialOf(permission);
  }

  require(permission: Permission, recorded: Recorded = "each"): void {
    if (recorded === "first" && this.#settled.has(permission)) return;
    const denial = this.#rules.denialOf(permission);
    const granted = !denial && this.#rules.allows(permission);
    this.#audit?.record(permission, granted, recorded);
    if (!granted) {
      const { NotAllowedError } = require("./refusal") as typeof import("./refusal");
      throw new NotAllowedError(permission, denial);
    }
    this.#settled.add(permission);
  }

  environment(variables: Readonly<Record<string, string>>): Record<string, string> {
    const seen = Object.entries(variables).filter(([variable]) => this.permits({ name: "env", variable }));
    this.#variables = seen.map(([name]) => name);
    return Object.fromEntries(seen);
  }

  close(): void {
    this.#audit?.close();
  }

  /** Where what was granted ends. */
  #limits(audit: string | undefined, sysroot: string): Omit<FileGrants, "directories"> {
    const { wayTo } = require("../wasi/files/way") as typeof import("../wasi/files/way");
    const wayToSysroot = sysroot === "/" ? [] : wayTo(sysroot);
    return {
      boundaries: this.#rules.fileBoundaries(),
      kept: [...wayToSysroot, ...(audit === undefined ? [] : wayTo(audit)), ...(this.#audit ? [this.#audit.file] : [])],
      sysroot: sysroot === "/" ? undefined : identityOf(sysroot),
    };
  }

  #recordEnvironment(): void {
    for (const variable of this.#variables) this.require({ name: "env", variable }, "first");
  }

  /** What scripts find: each directory by its absolute path and by that from the working directory, which is `.`. */
  #directories(): GrantedDirectory[] {
    const here = process.cwd();
    const places = [...this.#rules.directories].flatMap(([name, path]) => [
      { name, path },
      { name: relative(here, name) || ".", path },
      ...(contains(path, here) ? [{ name: ".", path: here }] : []),
    ]);
    const byName = new Map(places.map((place) => [place.name, place]));
    return [...byName.values()]
      .map(({ name, path }) => ({
        name,
        path,
        read: this.permits({ name: "read", path }),
        write: this.permits({ name: "write", path }),
      }))
      .filter(({ read, write }) => read || write);
  }
}

function identityOf(path: string): FileIdentity | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}

/** Loaded for runs that are recorded: it needs a hash function. */
function openAudit(path: string, script: PermissionRequest["script"]): Audit {
  const { Audit: Opened } = require("./audit") as typeof import("./audit");
  return new Opened(path, script);
}
