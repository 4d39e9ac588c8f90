import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
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
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { lockHolders } from "../devices/lock-holders";
import { AxiscriptError, errnoCode, messageOf } from "../errors";
import { tryLockFile } from "../native/libc";
import { PATHS } from "./paths";

const PREFIX = "axiscript-board-";
/** A directory without a lock that is older than this was left by a process that died while it made it. */
const ABANDONED_AFTER_MS = 60_000;

/** In a directory that is not kept: says so to the one who finds it after a board was killed, and whether it was made. */
const NOT_KEPT = `${PATHS.private}/not-kept`;

/** What becomes of a directory when its board ends. */
type Fate = "kept" | "emptied" | "removed" | "temporary";

/** A directory that one board owns while it lives. The kernel releases the lock when the process ends, however it does. */
export class BoardDirectory {
  readonly path: string;
  readonly #lock: number;
  readonly #fate: Fate;

  private constructor(path: string, lock: number, fate: Fate) {
    this.path = path;
    this.#lock = lock;
    this.#fate = fate;
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
      return new BoardDirectory(path, createLock(path), "temporary");
    } catch (cause) {
      throw cannotMake(join(parent, `${PREFIX}*`), cause);
    }
  }

  /**
   * Takes a directory; makes it in an existing one if need be. What a board that was not kept has left there is removed.
   *
   * @param keep whether a directory that held no board before stays when this one ends
   * @throws AxiscriptError ERR_AXI_BOARD, ERR_AXI_BOARD_BUSY if another board is using it
   */
  static permanent(directory: string, keep = true): BoardDirectory {
    const path = resolve(directory);
    try {
      const made = makeDirectory(path);
      const heldBoard = BoardDirectory.holdsBoard(path);
      if (!heldBoard && readdirSync(path).length > 0) {
        throw new AxiscriptError(
          "ERR_AXI_BOARD",
          `Cannot build a virtual board in ${path}: the directory is not empty and holds no board. Name another one.`,
        );
      }
      const lock = tryLock(path);
      if (lock !== undefined) {
        unmountAbandoned(path);
        return new BoardDirectory(path, lock, decideFate(path, { made, heldBoard, keep }));
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

  /** Whether a board has this directory at present. */
  static inUse(directory: string): boolean {
    const lock = statSync(join(directory, PATHS.private, "lock"), { bigint: true, throwIfNoEntry: false });
    return lock !== undefined && lockHolders(lock).length > 0;
  }

  /** Whether it stays when the board ends. */
  get kept(): boolean {
    return this.#fate === "kept";
  }

  /** Gives the directory up: removes it, or what is in it, unless it is kept. */
  release(): void {
    if (this.#fate === "temporary") removeDirectory(this.path);
    else if (this.#fate !== "kept") removeBoard(this.path, this.#fate);
    closeSync(this.#lock);
  }
}

/** Removes what an abandoned board left, and says what becomes of the directory; to be called with its lock. */
function decideFate(
  path: string,
  { made, heldBoard, keep }: { made: boolean; heldBoard: boolean; keep: boolean },
): Fate {
  const mark = join(path, NOT_KEPT);
  const abandoned = existsSync(mark) ? readFileSync(mark, "utf8") : undefined;
  if (abandoned !== undefined) {
    removeFiles(path);
    rmSync(mark);
  }
  if (keep || (heldBoard && abandoned === undefined)) return "kept";
  const fate = made || abandoned === "removed" ? "removed" : "emptied";
  writeFileSync(mark, fate);
  return fate;
}

/** The lock goes last: until then nobody else builds here. */
function removeBoard(path: string, fate: "emptied" | "removed"): void {
  removeFiles(path);
  rmSync(join(path, PATHS.private), { recursive: true, force: true });
  if (fate === "emptied") return;
  try {
    rmdirSync(path);
  } catch {
    // Somebody is already building the next board in it.
  }
}

/** Removes all but what the board keeps for itself. */
function removeFiles(path: string): void {
  for (const name of readdirSync(path)) {
    if (name !== PATHS.private) rmSync(join(path, name), { recursive: true, force: true });
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

/** Makes one directory, unless it is there. Not the ones above it: Node hangs when it is asked to do that in /proc. */
function makeDirectory(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (errnoCode(error) !== "EEXIST") throw error;
    return false;
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

/** The lock's descriptor, or `undefined` if somebody else holds it, or has just removed it with the board that it guarded. */
function tryLock(directory: string): number | undefined {
  makeDirectory(join(directory, PATHS.private));
  const file = join(directory, PATHS.private, "lock");
  const fd = openSync(file, "w");
  if (tryLockFile(fd) && statSync(file, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return fd;
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
