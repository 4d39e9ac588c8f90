import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { PACKAGE } from "../support/cli";
import type { ArchiveEntry } from "./cpio";
import type { Kernel } from "./kernel-package";
import { packList } from "./pack-list";

/** Where the package is in the guest. */
export const GUEST_PACKAGE = "/opt/axiscript";
const BUSYBOX = "/bin/busybox";
const NODE = "/usr/bin/node";
const MODULES = ["uio", "uio_pci_generic", "uio_cif"];
/** Beside busybox's: programs of this machine that do more than busybox's do, or that busybox has not. */
const PROGRAMS = ["/usr/bin/setpriv", "/usr/sbin/groupadd", "/usr/sbin/useradd"];

/** The first process: mounts what the kernel offers, loads a driver, and has jobs run until there are no more. */
const INIT = `#!${BUSYBOX} sh
set -e
export PATH=/usr/sbin:/usr/bin:/bin HOME=/root
${BUSYBOX} --install -s /bin
mkdir -p /dev /proc /sys /tmp /root
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t securityfs security /sys/kernel/security
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=1777 tmp /tmp
ifconfig lo up
depmod
modprobe uio_cif
stty -F /dev/ttyS1 raw -echo
node ${GUEST_PACKAGE}/dist/test/kernel/agent.js
poweroff -f
`;

/** Users of the guest: names are looked up by scripts that people write. */
const USERS = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n";
const GROUPS = "root:x:0:\nuser:x:1000:\n";

/** What a guest's root file system holds: busybox, this Node, the modules, the packed package, and the tests. */
export function imageEntries(kernel: Kernel, busybox: string): ArchiveEntry[] {
  return [
    ...[text("/init", INIT, 0o755), text("/etc/passwd", USERS), text("/etc/group", GROUPS)],
    ...[file(BUSYBOX, busybox), file(NODE, process.execPath)],
    ...PROGRAMS.map((path) => file(path, path)),
    ...[process.execPath, ...PROGRAMS].flatMap(librariesOf).map((path) => file(path, path)),
    ...MODULES.map((name) => {
      return { path: `/lib/modules/${kernel.release}/${name}.ko`, mode: 0o644, content: () => kernel.module(name) };
    }),
    ...packedPackage(),
    ...dependencies().flatMap((directory) => tree(directory, join(GUEST_PACKAGE, relative(PACKAGE, directory)))),
    ...tree(join(PACKAGE, "dist/test"), join(GUEST_PACKAGE, "dist/test")),
    { path: "/usr/bin/env", mode: 0o777, target: BUSYBOX },
    { path: "/etc/login.defs", mode: 0o644, content: () => Buffer.from("") },
    { path: "/usr/bin/axiscript", mode: 0o777, target: join(GUEST_PACKAGE, "dist/host/cli/main.js") },
  ];
}

/** What `npm pack` would pack. */
function packedPackage(): ArchiveEntry[] {
  const [{ files } = { files: [] }] = JSON.parse(packList()) as { files: { path: string; mode: number }[] }[];
  return files.map(({ path, mode }) => {
    return { path: join(GUEST_PACKAGE, path), mode, content: () => readFileSync(join(PACKAGE, path)) };
  });
}

/** The packages that are installed and needed where scripts are not compiled, by the lock file. */
function dependencies(): string[] {
  const { packages } = JSON.parse(readFileSync(join(PACKAGE, "package-lock.json"), "utf8")) as {
    packages: Readonly<Record<string, { readonly dev?: boolean; readonly peer?: boolean }>>;
  };
  const needed = Object.entries(packages).filter(([path, { dev, peer }]) => path !== "" && !dev && !peer);
  return needed.map(([path]) => join(PACKAGE, path)).filter((path) => existsSync(path));
}

/** The shared libraries of a program, its loader included, where it looks for them; none of a static one. */
function librariesOf(program: string): string[] {
  const { stdout } = spawnSync("ldd", [program], { encoding: "utf8" });
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path);
}

function tree(directory: string, into: string): ArchiveEntry[] {
  const paths = readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => join(directory, name));
  const files = paths.filter((path) => statSync(path).isFile());
  return files.map((path) => file(join(into, relative(directory, path)), path));
}

function file(path: string, source: string): ArchiveEntry {
  return { path, mode: statSync(source).mode & 0o777, content: () => readFileSync(source) };
}

function text(path: string, content: string, mode = 0o644): ArchiveEntry {
  return { path, mode, content: () => Buffer.from(content) };
}

/** Where busybox is on this machine: one that needs no libraries. */
export function findBusybox(): string | undefined {
  return ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path) && librariesOf(path).length === 0);
}
