import {
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { descriptorPath } from "../../files/descriptor-path";
import type { Chooses } from "../../files/remove";
import { MACHINE_DEVICES } from "../kernel/devices/machine-devices";
import { PATHS } from "../kernel/paths";

/** In a directory that is not kept: the paths that the board made there, a line each. */
const LIST = `${PATHS.private}/made`;
/** Ends the line of a path below which everything is the board's. */
const WITH_ALL_BELOW = "/**";
/** Between a path and what tells the file from one that a user puts in its place. */
const SEPARATOR = "\t";
/** On the board's disk, where nobody but users changes files. */
const ON_DISK = `${PATHS.firmware}/`;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** What the kernel makes while the board runs, of whatever name a user gave it. */
const MADE_LATER: readonly RegExp[] = [
  new RegExp(`^${PATHS.private}(/|$)`),
  new RegExp(`^${PATHS.devices}/uio\\d+$`),
  new RegExp(`^${PATHS.overlays}/[^/]+(/(path|status|dtbo))?$`),
];

/** Begins the list of what a board makes: from now on it is kept, and nothing is on it yet. */
export function beginList(directory: string): void {
  appendFileSync(join(directory, LIST), "", { mode: 0o600 });
}

/**
 * Puts everything on the list that is in a board's directory now and was not before.
 *
 * @param before paths that were there before
 * @param mounts paths that are not looked into, since nobody may be answering yet
 */
export function listMade(directory: string, before: ReadonlySet<string>, mounts: readonly string[]): void {
  const made = [...pathsBelow(directory, mounts).keys()].filter((path) => !before.has(path));
  append(
    directory,
    made.map((path) => describe(directory, path)),
  );
}

/** Puts a path and all that is below it on the list, if the board has one. */
export function noteMade(directory: string, path: string): void {
  if (existsSync(join(directory, LIST))) append(directory, [`${path}${WITH_ALL_BELOW}`]);
}

/** Tells what the board made in a directory, as its list says. */
export function madeIn(directory: number): Chooses {
  const list = descriptorPath(directory, LIST);
  const lines = existsSync(list) ? readFileSync(list, "utf8").split("\n") : [];
  const whole = lines.filter((line) => line.endsWith(WITH_ALL_BELOW)).map((line) => line.slice(0, -2));
  const listed = new Map(lines.map(splitLine));
  return (path, isDirectory) => {
    if (MADE_LATER.some((pattern) => pattern.test(path))) return true;
    if (whole.some((above) => `${path}/`.startsWith(above))) return true;
    if (!listed.has(path)) return isPlaceholder(directory, path, isDirectory);
    const identity = listed.get(path);
    return identity === undefined || isDirectory || identity === identityOf(descriptorPath(directory, path));
  };
}

/** The paths of all that is in a directory, but for what the board keeps for itself, and which are directories. */
export function pathsBelow(directory: string, mounts: readonly string[] = []): Map<string, boolean> {
  const paths = new Map<string, boolean>();
  const look = (where: string, above: string) => {
    const fd = openSync(where, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      for (const entry of readdirSync(descriptorPath(fd), { withFileTypes: true })) {
        const path = above + entry.name;
        if (path === PATHS.private) continue;
        paths.set(path, entry.isDirectory());
        if (entry.isDirectory() && !mounts.includes(path)) look(descriptorPath(fd, entry.name), `${path}/`);
      }
    } finally {
      closeSync(fd);
    }
  };
  look(directory, "");
  return paths;
}

function append(directory: string, lines: readonly string[]): void {
  // A name with a newline is a user's: not on the list, it stays.
  const whole = lines.filter((line) => !line.includes("\n")).map((line) => `${line}\n`);
  appendFileSync(join(directory, LIST), whole.join(""));
}

function splitLine(line: string): [path: string, identity: string | undefined] {
  const at = line.lastIndexOf(SEPARATOR);
  return at < 0 ? [line, undefined] : [line.slice(0, at), line.slice(at + 1)];
}

function describe(directory: string, path: string): string {
  return path.startsWith(ON_DISK) ? `${path}${SEPARATOR}${identityOf(join(directory, path))}` : path;
}

function identityOf(path: string): string {
  const { ino, size, mtimeMs } = lstatSync(path);
  return `${ino} ${size} ${mtimeMs}`;
}

/** What `board exec` makes among the devices to mount the machine's own on. */
function isPlaceholder(directory: number, path: string, isDirectory: boolean): boolean {
  if (dirname(path) !== PATHS.devices || !MACHINE_DEVICES.has(basename(path))) return false;
  if (isDirectory) return true;
  const stat = lstatSync(descriptorPath(directory, path));
  return stat.isSymbolicLink() || (stat.isFile() && stat.size === 0);
}
