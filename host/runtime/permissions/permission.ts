/** A device, as rules tell it from others. */
interface PermittedDevice {
  readonly device: string;
  /** Where the system tells it. */
  readonly unitAddress?: string;
  readonly note: string;
}

/** Something that a script may only do if it was granted. */
export type Permission =
  | ({ readonly name: "device" } & PermittedDevice)
  | ({ readonly name: "unchecked-dma" } & PermittedDevice)
  | { readonly name: "fpga"; readonly files: readonly string[] }
  | { readonly name: "dma" }
  | { readonly name: "physical-addresses" }
  | { readonly name: "read" | "write"; readonly path: string }
  | { readonly name: "env"; readonly variable: string };

/**
 * How a use that was granted is recorded: `each` time, for what opens something, or the `first` time, for what a script
 * does in its inner loops. What was refused is recorded the first time.
 */
export type Recorded = "each" | "first";

/** What one run of a script may do. */
export interface Permissions {
  /** @throws AxiscriptError ERR_AXI_NOT_ALLOWED with the flag that would allow it; ERR_AXI_IO if it cannot be recorded */
  require(permission: Permission, recorded?: Recorded): void;
}

/** Everything is allowed. */
export const ALLOW_ALL: Permissions = { require: () => {} };

/**
 * What is granted or denied. `true` stands for all of a sort. Devices are `NAME` (whatever their note) or `NAME:NOTE`, as
 * messages show them; `fpga` takes files of the target, `read` and `write` directories of this machine, `env` variables.
 */
export interface PermissionLists {
  readonly device?: true | readonly string[];
  /** Devices without a description of their DMA engine: nobody checks what memory they reach. */
  readonly uncheckedDma?: true | readonly string[];
  readonly fpga?: true | readonly string[];
  /** To pin memory for devices. */
  readonly dma?: true;
  /** To learn virtual and physical addresses. */
  readonly physicalAddresses?: true;
  readonly read?: true | readonly string[];
  readonly write?: true | readonly string[];
  readonly env?: true | readonly string[];
}

/** What is allowed, and what is denied all the same. Without `allow` the board's default holds. */
export interface PermissionRules {
  /** `all`: everything in this list; on real hardware, without `uncheckedDma`. */
  readonly allow?: PermissionLists & { readonly all?: true };
  readonly deny?: PermissionLists;
}

/** Rules that were read from a file. Without `allow` it allows nothing. */
export interface PermissionProfile extends PermissionRules {
  /** What messages call it. */
  readonly file: string;
}

/**
 * What scripts may do, as plain data.
 *
 * Absent, or with `deny` alone: on a virtual board everything that the board has, on real hardware nothing. Files of this
 * machine are not the board's. With `allow` or `profile`: what these two grant together. What one of them denies stays
 * denied.
 *
 * @example
 * await runtime.run("script.wasm", {
 *   permissions: { allow: { device: ["AxiProxy:hpc"], dma: true, physicalAddresses: true } },
 * });
 */
export interface PermissionOptions extends PermissionRules {
  readonly profile?: PermissionProfile;
}

/** A directory of this machine that a script may use. */
export interface GrantedDirectory {
  /** What scripts call it. */
  readonly name: string;
  /** Where it is, without symbolic links. */
  readonly path: string;
  readonly read: boolean;
  readonly write: boolean;
}

/** The files that a script may use. */
export interface FileGrants {
  readonly directories: readonly GrantedDirectory[];
  /** Where rules on files begin to hold: granted directories and denied paths. */
  readonly boundaries: readonly string[];
  /** What no script changes, moves or removes, whatever it may write: files, and what leads to them. */
  readonly kept: readonly FileIdentity[];
  /** The directory in place of `/`, below which no script is given files; absent: it is `/`. */
  readonly sysroot: FileIdentity | undefined;
}

/** What tells two files apart, whatever they are called. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** The permissions of one run, with what only the host asks of them. */
export interface RunPermissions extends Permissions {
  /** As {@link Permissions.require}, but gives an answer and records nothing. */
  permits(permission: Permission): boolean;
  /** The variables that the script may see. */
  environment(variables: Readonly<Record<string, string>>): Readonly<Record<string, string>>;
  /** Absent: no files at all. */
  readonly files?: FileGrants;
  /** To be called when the script reads its environment; absent if nothing is recorded. */
  readonly recordEnvironment?: () => void;
  /** Ends the record. */
  close(): void;
}

/** What {@link createPermissions} goes by. */
export interface PermissionRequest {
  readonly options?: PermissionOptions;
  /** File to which each use of a permission is appended. */
  readonly audit?: string;
  readonly board: "virtual" | "linux";
  /** The directory in place of `/`; `/` if absent. */
  readonly sysroot?: string;
  readonly script: { readonly path: string; readonly wasm: Uint8Array };
}
