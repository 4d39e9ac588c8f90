import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { posix } from "node:path";
import { descriptorPath } from "../../files/descriptor-path";
import { ForeignFileError, isTrusted, requireOwn } from "../../files/ownership";
import { PATHS } from "../kernel/paths";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** Links that lead out of a board's directory and are the board's own, with where they lead. */
const LEADING_OUT: ReadonlyMap<string, string> = new Map([[PATHS.pagemap, "/proc/self/pagemap"]]);
/** What a device file of a board that has no file system for them leads to. */
const IN_MEMORY = /^\/proc\/\d+\/fd\/\d+$/;
/** Where users keep firmware; what the board writes lies in a directory of its own there. */
const FIRMWARE = `${PATHS.firmware}/`;
const BUILT_FIRMWARE = `${PATHS.firmware}/xilinx`;

/**
 * Refuses a directory that is said to hold a board and in which somebody else has put something, or something leads
 * elsewhere that the board would write to.
 *
 * @param directory an open descriptor; nothing is mounted below it
 * @param path of the directory, for the message
 * @throws ForeignFileError
 */
export function requireOwnTree(directory: number, path: string): void {
  check(directory, path, "");
}

function check(directory: number, path: string, above: string): void {
  for (const entry of readdirSync(descriptorPath(directory), { withFileTypes: true })) {
    const relative = above + entry.name;
    const shown = `${path}/${relative}`;
    const target = descriptorPath(directory, entry.name);
    if (entry.isDirectory()) {
      within(target, shown, (fd) => check(fd, path, `${relative}/`));
      continue;
    }
    const stat = lstatSync(target);
    if (stat.isSymbolicLink()) checkLink(stat, relative, readlinkSync(target), shown);
    // What root puts there, as root's run on this board does, is not planted.
    else if (!isTrusted(stat.uid)) requireOwn(stat, shown);
    else if (stat.nlink > 1 && !relative.startsWith(FIRMWARE)) {
      throw new ForeignFileError(shown, "is another file, too (it has several names)");
    }
  }
}

function within(target: string, shown: string, body: (fd: number) => void): void {
  const fd = openSync(target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    const stat = fstatSync(fd);
    if (!isTrusted(stat.uid) || (stat.mode & 0o002) !== 0) requireOwn(stat, shown);
    body(fd);
  } finally {
    closeSync(fd);
  }
}

function checkLink(stat: Stats, relative: string, target: string, shown: string): void {
  if (!isTrusted(stat.uid)) requireOwn(stat, shown);
  if (LEADING_OUT.get(relative) === target) return;
  // A board that was killed has left it: the next one puts a file in its place, and follows it nowhere.
  if (posix.dirname(relative) === PATHS.devices && IN_MEMORY.test(target)) return;
  const isFirmware = relative.startsWith(FIRMWARE) && !`${relative}/`.startsWith(`${BUILT_FIRMWARE}/`);
  const end = posix.join("/board", posix.dirname(relative), target);
  const isInside = !posix.isAbsolute(target) && (end === "/board" || end.startsWith("/board/"));
  if (!isFirmware && !isInside) throw new ForeignFileError(shown, `is a symbolic link to ${target}`);
}
