import { accessSync, constants, statfsSync } from "node:fs";
import { release } from "node:os";
import { Sysroot } from "../linux/sysroot";
import { type HugePageState, hugePageState } from "../memory/huge-pages";
import { type PinMechanismState, tryPinMechanisms } from "../memory/pins";
import { pageSizeBytes } from "../native/libc";
import type { Platform } from "../util/platform";
import { compilerVersion } from "../runtime/installation";

/** Numbers of capabilities. Source: kernel `include/uapi/linux/capability.h`. */
export const CAPABILITIES = { IPC_LOCK: 14, SYS_ADMIN: 21, SYS_RESOURCE: 24 } as const;

/** How the whole range of user ids maps outside of user namespaces: from, to, count. */
const ALL_USERS = /^0 0 4294967295$/;

/** This machine as the process sees it: what no sysroot changes, since it is this process that runs scripts. */
export interface Machine {
  readonly platform: Platform;
  /** The kernel's release. */
  readonly release: string;
  readonly userId: number;
  readonly pageSizeBytes: number;
  /** The root of `/proc` and `/dev/shm`. */
  readonly files: Sysroot;
  pinMechanisms(): readonly PinMechanismState[];
  hugePages(): HugePageState;
  /** Free space where a path of {@link files} lies. */
  freeBytes(path: string): number;
  /** Version of the installed compiler. */
  compilerVersion(): string | undefined;
}

/** The machine that we are on. */
export function thisMachine(): Machine {
  let pins: readonly PinMechanismState[] | undefined;
  const files = new Sysroot("/");
  return {
    platform: process,
    release: release(),
    userId: process.geteuid?.() ?? -1,
    pageSizeBytes,
    files,
    pinMechanisms: () => (pins ??= tryPinMechanisms()),
    hugePages: hugePageState,
    freeBytes: (path) => {
      const { bavail, bsize } = statfsSync(files.path(path));
      return bavail * bsize;
    },
    compilerVersion,
  };
}

/**
 * Whether the kernel grants a capability to this process. In a user namespace of its own, as of a rootless container, a
 * process holds capabilities that count for nothing outside.
 */
export function hasCapability({ files }: Machine, name: keyof typeof CAPABILITIES): boolean {
  const users = (files.readText("/proc/self/uid_map") ?? "").trim().replace(/\s+/g, " ");
  const [, effective = "0"] = /^CapEff:\s*([0-9a-f]+)$/m.exec(files.readText("/proc/self/status") ?? "") ?? [];
  return ALL_USERS.test(users) && ((BigInt(`0x${effective}`) >> BigInt(CAPABILITIES[name])) & 1n) === 1n;
}

/** Whether a filter may forbid system calls to this process, as in a container. */
export function isFiltered({ files }: Machine): boolean {
  return /^Seccomp:\s*2$/m.test(files.readText("/proc/self/status") ?? "");
}

/** Whether a file may be read and written, without opening it: opening a device may wake it. */
export function mayUse(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
