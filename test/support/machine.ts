import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Sysroot } from "../../host/linux/sysroot";
import { examine } from "../../host/doctor/examine";
import { type Machine, thisMachine } from "../../host/doctor/machine";
import { PIN_MECHANISMS, type PinMechanism } from "../../host/memory/pins";
import { temporaryDirectory } from "./temporary";

/** A directory with these files; a path that ends with `/` is a directory. */
export function treeOf(files: Readonly<Record<string, string>>): string {
  const root = temporaryDirectory();
  for (const [path, content] of Object.entries(files)) {
    const absolute = join(root, path);
    mkdirSync(path.endsWith("/") ? absolute : dirname(absolute), { recursive: true });
    if (!path.endsWith("/")) writeFileSync(absolute, content);
  }
  return root;
}

/** `/proc/self/limits` as the kernel prints it. */
export function limits(soft: number | "unlimited", hard: number | "unlimited" = soft): string {
  const row = (name: string, a: unknown, b: unknown) =>
    `${name.padEnd(25)} ${String(a).padEnd(20)} ${String(b).padEnd(20)} bytes     \n`;
  return row("Max cpu time", 1, 2) + row("Max locked memory", soft, hard) + row("Max address space", 3, 4);
}

/** What describes the rights of a process; the mask is of capabilities. */
export function rights(mask: bigint, { seccomp = 0, users = "         0          0 4294967295" } = {}) {
  return {
    "proc/self/status": `Name:\tnode\nCapInh:\t${"f".repeat(16)}\nCapEff:\t${mask.toString(16).padStart(16, "0")}\nSeccomp:\t${seccomp}\n`,
    "proc/self/uid_map": `${users}\n`,
  };
}

export const ALL_RIGHTS = rights((1n << 41n) - 1n);

/** A machine where nothing is amiss, but for what is given. */
export function machineWith(
  files: Readonly<Record<string, string>> = {},
  others: Partial<Machine> & { readonly working?: readonly PinMechanism[]; readonly because?: string } = {},
): Machine {
  const { working = PIN_MECHANISMS, because = "EPERM", ...rest } = others;
  return {
    ...thisMachine(),
    platform: { platform: "linux", arch: "arm64", versions: { node: "20.20.2" } },
    release: "6.6.40-xilinx",
    userId: 0,
    files: new Sysroot(
      treeOf({
        "dev/shm/": "",
        "proc/sys/vm/max_map_count": "65530\n",
        "proc/sys/vm/compact_unevictable_allowed": "1\n",
        "proc/sys/kernel/io_uring_disabled": "0\n",
        "proc/self/limits": limits(8 * 2 ** 20),
        ...ALL_RIGHTS,
        ...files,
      }),
    ),
    pinMechanisms: () =>
      PIN_MECHANISMS.map((mechanism) =>
        working.includes(mechanism) ? { mechanism } : { mechanism, unavailable: because },
      ),
    hugePages: () => ({ hugePageBytes: 2 ** 21, total: 8, free: 4, transparent: "madvise" }),
    freeBytes: () => 2 ** 30,
    compilerVersion: () => "0.28.20",
    ...rest,
  };
}

/** An attribute directory of a UIO device, with its file. */
export function uioFiles(id: string, name: string, note = "") {
  return {
    [`sys/class/uio/${id}/name`]: `${name}\n`,
    [`sys/class/uio/${id}/dev`]: `243:${id.replace("uio", "")}\n`,
    [`sys/class/uio/${id}/device/of_node/jan-note`]: `${note}\0`,
    [`dev/${id}`]: "",
  };
}

export function uDmaBufFiles(name: string, coherent: boolean, size = 2 ** 25, address = "0x0000000070000000") {
  return {
    [`sys/class/u-dma-buf/${name}/size`]: `${size}\n`,
    [`sys/class/u-dma-buf/${name}/phys_addr`]: `${address}\n`,
    [`sys/class/u-dma-buf/${name}/dma_coherent`]: coherent ? "1\n" : "0\n",
    [`dev/${name}`]: "",
  };
}

/** A finding in short, `status: found | fix`; by default on a machine where nothing is amiss. */
export function shortOf(id: string, sysroot: string, machine = machineWith()): string {
  const finding = examine(sysroot, machine).find((candidate) => candidate.id === id);
  if (!finding) return "none";
  return `${finding.status}: ${finding.found}${finding.fix === undefined ? "" : ` | ${finding.fix}`}`;
}
