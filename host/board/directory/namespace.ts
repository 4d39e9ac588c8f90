import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
  type Dirent,
} from "node:fs";
import { dirname, join } from "node:path";
import { errnoCode } from "../../util/errors";
import { bind, enterMountNamespace, makeUnbindable, mountTmpfs, moveToRoot } from "../../native/mounts";
import { MACHINE_DEVICES } from "../kernel/devices/machine-devices";
import { PATHS } from "../kernel/paths";

/**
 * Directories that are the board's alone, whatever the machine has there: what appears in them while a program runs, and
 * what a program makes in them, is seen on both sides.
 */
const SERVED: ReadonlySet<string> = new Set([
  PATHS.devices,
  PATHS.firmware,
  PATHS.fpgaManager.split("/").slice(0, -1).join("/"),
  PATHS.platformBus,
  PATHS.platformDevices,
  PATHS.uDmaBufClass,
  PATHS.uioClass,
  PATHS.overlays.split("/")[0] ?? "",
  "sys/kernel/config",
  "sys/kernel/debug",
  "sys/firmware/devicetree",
]);
/** A program finds its own `/proc`, the machine's `/var`, and nothing of what the board keeps for itself. */
const LEFT_OUT: ReadonlySet<string> = new Set(["proc", "var", PATHS.private]);
/** What shows all of this machine's memory; a program on the board finds an empty file there. */
const MEMORY_IMAGES = ["proc/kcore", "proc/kmem", "proc/vmcore"];

/**
 * Gives the calling thread a view of the machine in which the board's files lie over the machine's own: what only one of
 * the two has is there, and what both have is the board's. Other threads and processes see nothing of that, and it ends
 * with the last process that is in it.
 *
 * Of the machine's devices it has {@link MACHINE_DEVICES} and no others: none through which a program would reach the
 * machine's memory or hardware in place of the board's. The board's `dev` gets an empty file or directory for each of
 * them, to mount it on.
 *
 * @param sysroot the board's directory
 * @throws SystemCallError EPERM from `unshare` if this user may not have mount namespaces
 */
export function enterBoardNamespace(sysroot: string): void {
  const board = realpathSync(sysroot);
  const workingDirectory = process.cwd();
  enterMountNamespace();
  const view = new View(join(board, PATHS.private));
  const layers = layersOf(board, "");
  // A directory to which something is added hides what was laid below it before: first all of these, from the top.
  const grown = layers.map((path) => existingPart(`/${path}`)).filter(({ missing }) => missing !== "");
  for (const directory of [...new Set(grown.map(({ path }) => path))].sort()) view.grow(directory);
  for (const path of layers) view.lay(join(board, path), `/${path}`);
  addMachineDevices(join(board, PATHS.devices), view);
  for (const path of MEMORY_IMAGES) if (existsSync(`/${path}`)) view.cover(path);
  moveToRoot(view.root);
  changeDirectory(workingDirectory);
}

/** What of a board's directory is laid as it is, by path below the sysroot: what the machine lacks or the board serves. */
function layersOf(board: string, relative: string): string[] {
  return readdirSync(join(board, relative)).flatMap((name) => {
    const path = join(relative, name);
    if (LEFT_OUT.has(path)) return [];
    const merged = isDirectory(join(board, path)) && isDirectory(`/${path}`) && !SERVED.has(path);
    return merged ? layersOf(board, path) : [path];
  });
}

/** A root directory in the making. */
class View {
  /** Where it is until it becomes the root. */
  readonly root: string;

  /** @param root a directory to mount it on */
  constructor(root: string) {
    this.root = root;
    mountTmpfs(root);
    // Or each part of the machine in which it lies would bring along what is there so far.
    makeUnbindable(root);
    for (const entry of readdirSync("/", { withFileTypes: true })) this.#copy("/", entry);
  }

  /** Makes a directory of the machine one to which entries can be added. */
  grow(directory: string): void {
    if (directory === "/") return;
    mountTmpfs(this.root + directory);
    for (const entry of readdirSync(directory, { withFileTypes: true })) this.#copy(directory, entry);
  }

  /** Lays a file or directory over a path, which need not exist. */
  lay(source: string, path: string): void {
    const { path: existing, missing } = existingPart(path);
    const target = join(this.root, existing, missing);
    if (missing !== "") {
      mkdirSync(dirname(target), { recursive: true });
      makeMountPoint(target, isDirectory(source));
    }
    bind(source, target);
  }

  /** Puts nothing in the place of a file. */
  cover(path: string): void {
    bind("/dev/null", join(this.root, path));
  }

  #copy(directory: string, entry: Dirent): void {
    const path = join(directory, entry.name);
    makeEntry(path, entry, this.root + path);
    if (!entry.isSymbolicLink()) bind(path, this.root + path);
  }
}

/**
 * Those of the machine's devices that reach nothing of the machine, beside the board's. The directory stays the board's
 * own, where devices come and go.
 */
function addMachineDevices(boardDevices: string, view: View): void {
  for (const entry of readdirSync("/dev", { withFileTypes: true })) {
    if (!MACHINE_DEVICES.has(entry.name)) continue;
    const present = lstatSync(join(boardDevices, entry.name), { throwIfNoEntry: false });
    if (present?.isFile() && present.size > 0) continue;
    if (!present) makeEntry(`/dev/${entry.name}`, entry, join(boardDevices, entry.name));
    if (!entry.isSymbolicLink()) bind(`/dev/${entry.name}`, `${view.root}/dev/${entry.name}`);
  }
}

/** Makes what stands for an entry of a directory elsewhere: the same link, or a place to mount it on. */
function makeEntry(source: string, entry: Dirent, target: string): void {
  try {
    if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else makeMountPoint(target, entry.isDirectory());
  } catch (error) {
    // Another program that is started on the same board at the same time was first.
    if (errnoCode(error) !== "EEXIST") throw error;
  }
}

function makeMountPoint(path: string, directory: boolean): void {
  if (directory) mkdirSync(path);
  else writeFileSync(path, "", { flag: "wx", mode: 0o600 });
}

/** How much of a path there is on the machine, without symbolic links, and what is missing behind that. */
function existingPart(path: string): { path: string; missing: string } {
  for (let part = path; ; part = dirname(part)) {
    const found = statSync(part, { throwIfNoEntry: false });
    if (found) return { path: realpathSync(part), missing: path.slice(part.length).replace(/^\//, "") };
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** A working directory that the board hides is left for the root. */
function changeDirectory(path: string): void {
  try {
    process.chdir(path);
  } catch {
    process.chdir("/");
  }
}
