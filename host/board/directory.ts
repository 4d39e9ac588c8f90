import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { AxiscriptError, errnoCode, messageOf } from "../errors";
import { tryLockFile } from "../native/libc";
import { PATHS } from "./paths";

const PREFIX = "axiscript-board-";
/** A directory without a lock that is older than this was left by a process that died while it made it. */
const ABANDONED_AFTER_MS = 60_000;

/** A directory that one board owns while it lives. The kernel releases the lock when the process ends, however it does. */
export class BoardDirectory {
  readonly path: string;
  readonly #lock: number;
  readonly #temporary: boolean;

  private constructor(path: string, lock: number, temporary: boolean) {
    this.path = path;
    this.#lock = lock;
    this.#temporary = temporary;
  }

  /**
   * Makes a temporary directory, on tmpfs where there is one, after it has removed those of processes that are gone.
   *
   * @throws AxiscriptError ERR_AXI_BOARD
   */
  static temporary(): BoardDirectory {
    const parent = temporaryParent();
    sweep(parent);
    try {
      const path = mkdtempSync(join(parent, `${PREFIX}${process.pid}-`));
      return new BoardDirectory(path, createLock(path), true);
    } catch (cause) {
      throw cannotMake(join(parent, `${PREFIX}*`), cause);
    }
  }

  /**
   * Takes a directory that stays when the board ends; makes it in an existing one if need be.
   *
   * @throws AxiscriptError ERR_AXI_BOARD, ERR_AXI_BOARD_BUSY if another board is using it
   */
  static permanent(directory: string): BoardDirectory {
    const path = resolve(directory);
    try {
      makeDirectory(path);
      const foreign = readdirSync(path).length > 0 && !existsSync(join(path, PATHS.private));
      if (foreign) {
        throw new AxiscriptError(
          "ERR_AXI_BOARD",
          `Cannot build a virtual board in ${path}: the directory is not empty and holds no board. Name another one.`,
        );
      }
      const lock = tryLock(path);
      if (lock !== undefined) {
        unmountAbandoned(path);
        return new BoardDirectory(path, lock, false);
      }
    } catch (cause) {
      throw cause instanceof AxiscriptError ? cause : cannotMake(path, cause);
    }
    throw new AxiscriptError(
      "ERR_AXI_BOARD_BUSY",
      `Cannot build a virtual board in ${path}: another board is using it. Wait for it to end, or name another directory.`,
    );
  }

  /** Whether a directory is one in which a board was built. */
  static holdsBoard(directory: string): boolean {
    return existsSync(join(directory, PATHS.private));
  }

  /** Gives the directory up: removes it if it is temporary. */
  release(): void {
    if (this.#temporary) removeDirectory(this.path);
    closeSync(this.#lock);
  }
}

/** At the end of every run: as `rmSync` does, which takes some milliseconds to load and is left to the odd cases. */
function removeDirectory(directory: string): void {
  try {
    removeContents(directory);
    rmdirSync(directory);
  } catch {
    rmSync(directory, { recursive: true, force: true });
  }
}

function removeContents(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) {
      removeContents(path);
      rmdirSync(path);
    } else unlinkSync(path);
  }
}

/** Makes one directory. Not the ones above it: Node hangs when it is asked to do that in /proc. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (errnoCode(error) !== "EEXIST") throw error;
  }
}

function temporaryParent(): string {
  try {
    accessSync("/dev/shm", constants.W_OK | constants.X_OK);
    return "/dev/shm";
  } catch {
    return tmpdir();
  }
}

/** The lock of a new directory; it appears there already locked, so that no other process takes it for abandoned. */
function createLock(directory: string): number {
  const file = join(directory, PATHS.private, "lock");
  makeDirectory(join(directory, PATHS.private));
  const fd = openSync(`${file}.new`, "w");
  tryLockFile(fd);
  renameSync(`${file}.new`, file);
  return fd;
}

/** The lock's descriptor, or `undefined` if somebody else holds it. */
function tryLock(directory: string): number | undefined {
  makeDirectory(join(directory, PATHS.private));
  const fd = openSync(join(directory, PATHS.private, "lock"), "w");
  if (tryLockFile(fd)) return fd;
  closeSync(fd);
  return undefined;
}

function sweep(parent: string): void {
  for (const name of readdirSync(parent).filter((entry) => entry.startsWith(PREFIX))) {
    try {
      removeIfAbandoned(join(parent, name));
    } catch {
      // Somebody else's, or gone by now.
    }
  }
}

/** Removes a directory whose lock nobody holds, and holds it meanwhile. */
function removeIfAbandoned(directory: string): void {
  const file = join(directory, PATHS.private, "lock");
  if (!existsSync(file)) {
    const age = Date.now() - statSync(directory).mtimeMs;
    if (age > ABANDONED_AFTER_MS) removeAbandoned(directory);
    return;
  }
  const fd = openSync(file, "r+");
  try {
    if (tryLockFile(fd)) removeAbandoned(directory);
  } finally {
    closeSync(fd);
  }
}

function removeAbandoned(directory: string): void {
  unmountAbandoned(directory);
  rmSync(directory, { recursive: true, force: true });
}

/** Unmounts what a board that was killed had mounted: nobody serves it any more. The lock must not be another's. */
function unmountAbandoned(directory: string): void {
  if (!readFileSync("/proc/self/mountinfo", "latin1").includes(" - fuse.")) return;
  const { unmountBelow } = require("../native/fuse") as typeof import("../native/fuse");
  unmountBelow(realpathSync(directory));
}

function cannotMake(path: string, cause: unknown): AxiscriptError {
  const advice = errnoCode(cause) === "ENOSPC" ? " The file system is full: free some space." : "";
  return new AxiscriptError("ERR_AXI_BOARD", `Cannot build a virtual board in ${path}: ${messageOf(cause)}.${advice}`, {
    cause,
  });
}
