import { existsSync, readFileSync, statfsSync } from "node:fs";
import { AxiscriptError } from "../util/errors";
import type { Sysroot } from "./sysroot";

/** Where systems mount configfs: the reference system's own mount first. */
const OVERLAY_DIRECTORIES = ["/configfs/device-tree/overlays", "/sys/kernel/config/device-tree/overlays"];
/** Magic numbers of file systems. Sources: kernel `include/uapi/linux/magic.h`, `fs/fuse/inode.c`. */
const CONFIGFS = 0x62656570;
const FUSE = 0x65735546;
const MOUNTS = "/proc/self/mountinfo";
const MOUNT_POINT_FIELD = 4;

/**
 * The directories for overlays, on this machine, that something answers in: configfs, or a board.
 *
 * A directory that only stands where configfs would be mounted is none. The file system's type tells; the files of a
 * board may also be plain ones: below a sysroot of their own, or mounted into this root directory.
 */
export function overlayDirectories(sysroot: Sysroot): string[] {
  return existing(sysroot).filter((directory) => sysroot.directory !== "/" || isAnswered(directory));
}

/**
 * The first of {@link overlayDirectories}.
 *
 * @throws AxiscriptError ERR_AXI_NO_CONFIGFS
 */
export function overlayDirectory(sysroot: Sysroot): string {
  const [found] = overlayDirectories(sysroot);
  if (found !== undefined) return found;
  const [plain] = existing(sysroot);
  const what =
    plain === undefined
      ? `none of ${OVERLAY_DIRECTORIES.join(", ")} exists`
      : `${plain} is a plain directory, and no configfs is mounted there`;
  throw new AxiscriptError(
    "ERR_AXI_NO_CONFIGFS",
    `Cannot apply a device-tree overlay: ${what}. ` +
      "Mount it (`mount -t configfs configfs /sys/kernel/config`); the kernel needs CONFIG_OF_CONFIGFS.",
  );
}

function existing(sysroot: Sysroot): string[] {
  return OVERLAY_DIRECTORIES.map((directory) => sysroot.path(directory)).filter(existsSync);
}

function isAnswered(directory: string): boolean {
  const { type } = statfsSync(directory);
  return type === CONFIGFS || type === FUSE || isBelowMount(directory);
}

/** Whether a path lies in a mount of its own. True where that cannot be found out. */
function isBelowMount(path: string): boolean {
  let mounts: string;
  try {
    mounts = readFileSync(MOUNTS, "utf8");
  } catch {
    return true;
  }
  const points = mounts.split("\n").map((line) => line.split(" ")[MOUNT_POINT_FIELD] ?? "/");
  return points.some((point) => point !== "/" && `${path}/`.startsWith(`${point}/`));
}
