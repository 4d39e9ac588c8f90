import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { lockHolders } from "../../linux/lock-holders";
import { AxiscriptError, errnoCode, messageOf } from "../../util/errors";
import { descriptorPath } from "../../files/descriptor-path";
import { ForeignFileError, openOwnDirectory, requireOwn, requireTrustedPath } from "../../files/ownership";
import { type Chooses, removeContents } from "../../files/remove";
import { tryLockFile } from "../../native/libc";
import { unmountAbandoned } from "./abandoned-mounts";
import { beginList, listMade, madeIn, pathsBelow } from "./made-files";
import { requireOwnTree } from "./own-tree";
import { PATHS } from "../kernel/paths";
import { makeTemporaryDirectory } from "./temporary-directory";

const LOCK = `${PATHS.private}/lock`;
/** In a directory that is not kept: says so to the one who finds it after a board was killed, and whether it was made. */
const NOT_KEPT = `${PATHS.private}/not-kept`;
/** Of what the board keeps for itself: who could open the lock could hold it, and so keep the board from starting. */
const OWNER_ALONE = 0o700;
const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;

/** What becomes of a directory when its board ends. */
type Fate = "kept" | "emptied" | "removed" | "temporary";

/** What is known of a directory that a board takes. */
interface History {
  /** Made for this board. */
  readonly made: boolean;
  readonly heldBoard: boolean;
  /** Whether it is to stay. */
  readonly keep: boolean;
}

/**
 * A directory that one board owns while it lives. The kernel releases the lock when the process ends, however it does.
 *
 * It is this user's, and so are all the directories above it, or root's, and what is in it: nobody else can have put
 * anything there that the board would follow, now or later.
 */
export class BoardDirectory {
  readonly path: string;
  readonly #descriptor: number;
  readonly #lock: number;
  readonly #fate: Fate;
  /** Of a directory that is not kept: what was there before the board. */
  readonly #before: ReadonlySet<string>;

  private constructor(path: string, descriptor: number, lock: number, fate: Fate, before: Iterable<string> = []) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#lock = lock;
    this.#fate = fate;
    this.#before = new Set(before);
  }

  /**
   * Makes a temporary directory, on tmpfs where there is one, after it has removed those of processes that are gone.
   *
   * @throws AxiscriptError ERR_AXI_BOARD; ERR_AXI_BOARD_OWNER where other users may change what lies there
   */
  static temporary(): BoardDirectory {
    return orRefused("in a temporary directory", () => {
      const path = makeTemporaryDirectory();
      return new BoardDirectory(path, openOwnDirectory(path), createLock(path), "temporary");
    });
  }

  /**
   * Takes a directory; makes it in an existing one if need be. What a board that was not kept has left there is removed.
   *
   * @param keep whether a directory that held no board before stays when this one ends
   * @throws AxiscriptError ERR_AXI_BOARD; ERR_AXI_BOARD_BUSY if another board is using it; ERR_AXI_BOARD_OWNER if another
   *   user made it, or something in it, or may change it
   */
  static permanent(directory: string, keep = true): BoardDirectory {
    const path = resolve(directory);
    return orRefused(`in ${path}`, () => {
      requireTrustedPath(dirname(path));
      const made = makeDirectory(path);
      requireTrustedPath(path);
      const descriptor = openOwnDirectory(realpathSync(path), path);
      try {
        const heldBoard = BoardDirectory.holdsBoard(path);
        if (!heldBoard && readdirSync(path).length > 0) {
          throw new AxiscriptError(
            "ERR_AXI_BOARD",
            `Cannot build a virtual board in ${path}: the directory is not empty and holds no board. Name another one.`,
          );
        }
        return BoardDirectory.#taken(path, descriptor, { made, heldBoard, keep });
      } catch (error) {
        closeSync(descriptor);
        throw error;
      }
    });
  }

  static #taken(path: string, descriptor: number, history: History): BoardDirectory {
    const lock = lockDirectory(path);
    try {
      unmountAbandoned(descriptor);
      if (history.heldBoard) requireOwnTree(descriptor, path);
      const { fate, before } = decideFate(path, descriptor, history);
      return new BoardDirectory(path, descriptor, lock, fate, before);
    } catch (error) {
      closeSync(lock);
      throw error;
    }
  }

  /** Whether a directory is one in which a board was built. */
  static holdsBoard(directory: string): boolean {
    return lstatSync(join(directory, PATHS.private), { throwIfNoEntry: false }) !== undefined;
  }

  /**
   * Whether a board has this directory at present.
   *
   * @throws AxiscriptError ERR_AXI_BOARD_OWNER if it is another user's
   */
  static inUse(directory: string): boolean {
    BoardDirectory.requireOwn(directory);
    const lock = statSync(join(directory, LOCK), { bigint: true, throwIfNoEntry: false });
    return lock !== undefined && lockHolders(lock).length > 0;
  }

  /**
   * Refuses a directory in which another user could have put something that this process would follow.
   *
   * @throws AxiscriptError ERR_AXI_BOARD_OWNER
   */
  static requireOwn(directory: string): void {
    const stat = statSync(directory, { throwIfNoEntry: false });
    if (!stat) return;
    orRefused(`in ${directory}`, () => {
      requireTrustedPath(directory);
      requireOwn(stat, directory);
    });
  }

  /** Whether it stays when the board ends. */
  get kept(): boolean {
    return this.#fate === "kept";
  }

  /** Of a directory that is not kept, notes that all that was not there before is the board's. */
  noteBuilt(): void {
    if (!this.#isListed) return;
    const { mountsBelow } = require("../../native/fuse") as typeof import("../../native/fuse");
    listMade(this.path, this.#before, mountsBelow(realpathSync(this.path)));
  }

  /** Gives the directory up: removes what the board made there, and the directory if it was made, unless it is kept. */
  release(): void {
    if (this.#fate === "temporary") removeTemporary(this.path, this.#descriptor);
    else if (this.#isListed) removeBoard(this.path, this.#descriptor, this.#fate === "removed");
    closeSync(this.#descriptor);
    closeSync(this.#lock);
  }

  get #isListed(): boolean {
    return this.#fate === "removed" || this.#fate === "emptied";
  }
}

/**
 * Removes what an abandoned board made, and says what becomes of the directory, and which of what is there is not a
 * board's; to be called with its lock.
 */
function decideFate(
  path: string,
  descriptor: number,
  { made, heldBoard, keep }: History,
): { fate: Fate; before: string[] } {
  const mark = join(path, NOT_KEPT);
  const abandoned = lstatSync(mark, { throwIfNoEntry: false }) && readFileSync(mark, "utf8");
  // Directories of a board that hold a user's files stay the board's.
  let isMade: Chooses = () => false;
  if (abandoned !== undefined) {
    isMade = madeIn(descriptor);
    removeMade(descriptor);
    removePrivate(descriptor);
  }
  if (keep || (heldBoard && abandoned === undefined)) return { fate: "kept", before: [] };
  const fate = made || abandoned === "removed" ? "removed" : "emptied";
  const present = [...pathsBelow(path)].filter(([below, isDirectory]) => !isMade(below, isDirectory));
  beginList(path);
  writeFileSync(mark, fate, { mode: 0o600 });
  return { fate, before: present.map(([below]) => below) };
}

/** Removes what a board made that is not kept, but for what it kept for itself. */
function removeMade(directory: number): void {
  const isMade = madeIn(directory);
  removeContents(directory, (path, isDirectory) => !isPrivate(path) && isMade(path, isDirectory));
}

/** Removes what a board kept for itself, but for its lock. */
function removePrivate(directory: number): void {
  removeContents(directory, (path) => isPrivate(path) && path !== LOCK && path !== PATHS.private);
}

function isPrivate(path: string): boolean {
  return path === PATHS.private || path.startsWith(`${PATHS.private}/`);
}

/**
 * Removes what a board made. Where users' files stay, so does what says that the directory may be taken by a board
 * again. The lock goes last: until then nobody else builds here.
 */
function removeBoard(path: string, directory: number, wasMade: boolean): void {
  removeMade(directory);
  if (readdirSync(descriptorPath(directory)).some((name) => name !== PATHS.private)) return;
  removePrivate(directory);
  removeContents(directory, isPrivate);
  if (!wasMade) return;
  try {
    rmdirSync(path);
  } catch {
    // Somebody is already building the next board in it.
  }
}

function removeTemporary(path: string, directory: number): void {
  try {
    removeContents(directory);
    rmdirSync(path);
  } catch {
    // Something is in use there, or was removed by somebody: the next board sweeps up.
  }
}

/** Makes one directory, unless it is there. Not the ones above it: Node hangs when it is asked to do that in /proc. */
function makeDirectory(path: string, mode = 0o755): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (error) {
    if (errnoCode(error) !== "EEXIST") throw error;
    return false;
  }
}

/** The lock of a new directory; it appears there already locked, so that no other process takes it for abandoned. */
function createLock(directory: string): number {
  const file = join(directory, LOCK);
  makeDirectory(join(directory, PATHS.private), OWNER_ALONE);
  const fd = openSync(`${file}.new`, "wx", 0o600);
  tryLockFile(fd);
  renameSync(`${file}.new`, file);
  return fd;
}

/** The lock's descriptor. Throws ERR_AXI_BOARD_BUSY if somebody holds it, or has just removed it with its board. */
function lockDirectory(directory: string): number {
  const own = join(directory, PATHS.private);
  makeDirectory(own, OWNER_ALONE);
  const descriptor = openOwnDirectory(own);
  try {
    fchmodSync(descriptor, OWNER_ALONE);
    const file = descriptorPath(descriptor, "lock");
    const fd = openSync(file, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    if (tryLockFile(fd) && lstatSync(file, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return fd;
    closeSync(fd);
  } finally {
    closeSync(descriptor);
  }
  throw new AxiscriptError(
    "ERR_AXI_BOARD_BUSY",
    `Cannot build a virtual board in ${directory}: another board is using it. Wait for it to end, or name another directory.`,
  );
}

/** Calls a function; says of what it throws that there is no board. */
function orRefused<T>(where: string, body: () => T): T {
  try {
    return body();
  } catch (cause) {
    if (cause instanceof AxiscriptError) throw cause;
    if (cause instanceof ForeignFileError) {
      throw new AxiscriptError(
        "ERR_AXI_BOARD_OWNER",
        `Cannot use or build a virtual board ${where}: ${cause.message}. A board and its devices are its owner's alone, ` +
          "since whoever can change its files decides what is written where: run this as that user, or name a " +
          "directory of your own.",
        { cause },
      );
    }
    const advice = errnoCode(cause) === "ENOSPC" ? " The file system is full: free some space." : "";
    throw new AxiscriptError("ERR_AXI_BOARD", `Cannot build a virtual board ${where}: ${messageOf(cause)}.${advice}`, {
      cause,
    });
  }
}
