import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { descriptorPath } from "../../files/descriptor-path";
import { requireTrustedPath } from "../../files/ownership";
import { removeContents } from "../../files/remove";
import { tryLockFile } from "../../native/libc";
import { unmountAbandoned } from "./abandoned-mounts";
import { PATHS } from "../kernel/paths";

const PREFIX = "axiscript-board-";
/** A directory without a lock that is older than this was left by a process that died while it made it. */
const ABANDONED_AFTER_MS = 60_000;
const OWNER_ALONE = 0o700;
const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;
/** Opens nothing, and so waits for no file system, whoever mounted it there. */
const O_PATH = 0o10000000;
const IN_MEMORY = "/dev/shm";

/**
 * Makes a directory that is gone with its board, on tmpfs where there is one, after it has removed those of this user's
 * processes that are gone.
 *
 * @throws ForeignFileError if other users may change what lies there; errors of mkdir(2)
 */
export function makeTemporaryDirectory(): string {
  const parent = temporaryParent();
  sweep(parent);
  return mkdtempSync(join(parent, `${PREFIX}${process.pid}-`));
}

function temporaryParent(): string {
  try {
    accessSync(IN_MEMORY, constants.W_OK | constants.X_OK);
    requireTrustedPath(IN_MEMORY);
    return IN_MEMORY;
  } catch {
    const parent = tmpdir();
    requireTrustedPath(parent);
    return parent;
  }
}

/** Anybody can make directories here: only those that are this user's, and nobody else's to enter, are looked into. */
function sweep(parent: string): void {
  const fd = openSync(parent, O_RDONLY | O_DIRECTORY);
  try {
    for (const name of readdirSync(parent).filter((entry) => entry.startsWith(PREFIX))) {
      try {
        withOwnDirectory(fd, name, (directory) => {
          if (!removeIfAbandoned(directory)) return;
          rmdirSync(descriptorPath(fd, name));
        });
      } catch {
        // Somebody else's, or gone by now.
      }
    }
  } finally {
    closeSync(fd);
  }
}

function withOwnDirectory(parent: number, name: string, body: (directory: number) => void): void {
  const place = openSync(descriptorPath(parent, name), O_PATH | O_DIRECTORY | O_NOFOLLOW);
  try {
    // A file system that somebody has mounted there could claim to be of any owner, and let us wait for ever.
    if (mountOf(place) !== mountOf(parent)) return;
    const { uid, mode } = fstatSync(place);
    if (uid !== process.geteuid?.() || (mode & 0o7777) !== OWNER_ALONE) return;
    const directory = openSync(descriptorPath(place), O_RDONLY | O_DIRECTORY);
    try {
      body(directory);
    } finally {
      closeSync(directory);
    }
  } finally {
    closeSync(place);
  }
}

function mountOf(fd: number): string | undefined {
  return /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];
}

/** Empties a directory whose lock nobody holds, and holds it meanwhile. True if it is empty. */
function removeIfAbandoned(directory: number): boolean {
  let lock: number;
  try {
    lock = openSync(descriptorPath(directory, `${PATHS.private}/lock`), O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    return Date.now() - fstatSync(directory).mtimeMs > ABANDONED_AFTER_MS && removeAbandoned(directory);
  }
  try {
    return tryLockFile(lock) && removeAbandoned(directory);
  } finally {
    closeSync(lock);
  }
}

function removeAbandoned(directory: number): boolean {
  unmountAbandoned(directory);
  return removeContents(directory);
}
