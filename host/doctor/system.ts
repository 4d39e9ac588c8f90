import { AxiscriptError, messageOf } from "../util/errors";
import { checkPlatform } from "../util/platform";
import { asRoot, setKernel } from "./commands";
import { hasFpga } from "./devices";
import type { Check, Place, Verdict } from "./finding";
import { lockdown } from "./lockdown";
import { mayUse } from "./machine";
import { formatBytes } from "./units";

const SHARED_MEMORY = "/dev/shm";
/** A virtual board's files: its u-dma-buf of 32 MiB, and a few more. */
const BOARD_BYTES = 40 * 2 ** 20;
/** The kernel's default. Every region and every device is a mapping, and so are WebAssembly's memories. */
const USUAL_MAPPINGS = 65530;

/** Node 20 had its last security fixes in April 2026. Source: the release schedule of Node. */
const OLDEST_MAINTAINED_NODE = 22;
/** The active long-term support. */
const RECOMMENDED_NODE = 26;

export const SYSTEM_CHECKS: readonly Check[] = [
  { id: "platform", title: "platform", examine: platform },
  { id: "compiler", title: "compiler", examine: compiler },
  { id: "shared-memory", title: SHARED_MEMORY, examine: sharedMemory },
  { id: "max-map-count", title: "vm.max_map_count", examine: maxMapCount },
  { id: "lockdown", title: "kernel lockdown", examine: lockdown },
];

function platform({ machine }: Place): Verdict {
  const { platform: system, arch, versions } = machine.platform;
  const found = `${system} ${machine.release} on ${arch}, Node ${versions.node}`;
  try {
    checkPlatform(machine.platform);
  } catch (error) {
    if (!(error instanceof AxiscriptError)) throw error;
    return { status: "missing", found: `${found}. ${messageOf(error)}` };
  }
  const [major = 0] = versions.node.split(".").map(Number);
  if (major >= OLDEST_MAINTAINED_NODE) return { status: "ok", found };
  return {
    status: "ok",
    found: `${found}, which has no security fixes any more: Node ${RECOMMENDED_NODE} is recommended`,
  };
}

function compiler({ machine, target }: Place): Verdict {
  const version = machine.compilerVersion();
  if (version !== undefined) return { status: "ok", found: `assemblyscript ${version}` };
  const found = "assemblyscript is not installed: only scripts that were built elsewhere run (.wasm)";
  if (hasFpga(target)) return { status: "ok", found: `${found}, which is all that a board needs` };
  return { status: "warning", found, fix: "npm install assemblyscript" };
}

/** Virtual boards live there. */
function sharedMemory({ machine }: Place): Verdict {
  const path = machine.files.path(SHARED_MEMORY);
  const elsewhere = "virtual boards are built in the temporary directory, which may be slower";
  if (!machine.files.exists(SHARED_MEMORY)) {
    const fix = asRoot(machine, `mkdir ${SHARED_MEMORY}`, `mount -t tmpfs -o mode=1777 tmpfs ${SHARED_MEMORY}`);
    return { status: "warning", found: `does not exist: ${elsewhere}`, fix };
  }
  if (!mayUse(path)) {
    return {
      status: "warning",
      found: `not writable: ${elsewhere}`,
      fix: asRoot(machine, `chmod 1777 ${SHARED_MEMORY}`),
    };
  }
  const freeBytes = machine.freeBytes(SHARED_MEMORY);
  const found = `writable, ${formatBytes(freeBytes)} free`;
  if (freeBytes >= BOARD_BYTES) return { status: "ok", found };
  return {
    status: "warning",
    found: `${found}, and a virtual board needs up to ${formatBytes(BOARD_BYTES)}`,
    fix: asRoot(machine, `mount -o remount,size=50% ${SHARED_MEMORY}`),
  };
}

function maxMapCount({ machine }: Place): Verdict | undefined {
  const text = machine.files.readText("/proc/sys/vm/max_map_count");
  if (text === undefined) return undefined;
  if (Number(text) >= USUAL_MAPPINGS) return { status: "ok", found: text };
  return {
    status: "warning",
    found: `${text} mappings for a process, fewer than usual: many regions or devices may not fit`,
    fix: setKernel(machine, "vm.max_map_count", USUAL_MAPPINGS),
  };
}
