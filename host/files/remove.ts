import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { errnoCode } from "../util/errors";
import { descriptorPath } from "./descriptor-path";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/**
 * Removes a file, link or directory with what is in it, if it is there. The path up to it is the caller's to trust.
 *
 * @throws Error ENOTEMPTY for a directory in which something could not be removed
 */
export function removeTree(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isDirectory()) {
    unlinkSync(path);
    return;
  }
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    removeContents(fd);
  } finally {
    closeSync(fd);
  }
  rmdirSync(path);
}

/** Decides of what lies below a directory whether it goes, by its path from there. */
export type Chooses = (path: string, isDirectory: boolean) => boolean;

/**
 * Removes what is in a directory, by descriptors: no symbolic link is followed and no mount is entered, whoever changes
 * the tree meanwhile. What cannot be removed stays, and so does what was not chosen, with the directories above it.
 *
 * @param directory an open descriptor
 * @param chooses absent: everything goes
 * @returns whether the directory is empty now
 */
export function removeContents(directory: number, chooses: Chooses = () => true): boolean {
  return removeBelow(directory, "", fstatSync(directory).dev, chooses);
}

function removeBelow(directory: number, above: string, device: number, chooses: Chooses): boolean {
  let isEmpty = true;
  for (const entry of readdirSync(descriptorPath(directory), { withFileTypes: true })) {
    const target = descriptorPath(directory, entry.name);
    const path = above + entry.name;
    const isGone = attempt(() => {
      if (!entry.isDirectory()) return chooses(path, false) && remove(() => unlinkSync(target));
      const isClear = removeInside(target, `${path}/`, device, chooses);
      return isClear && chooses(path, true) && remove(() => rmdirSync(target));
    });
    isEmpty &&= isGone;
  }
  return isEmpty;
}

function removeInside(path: string, above: string, device: number, chooses: Chooses): boolean {
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
  try {
    return fstatSync(fd).dev === device && removeBelow(fd, above, device, chooses);
  } finally {
    closeSync(fd);
  }
}

function remove(body: () => void): true {
  body();
  return true;
}

/** Whether something is gone. What cannot be removed is left where it is. */
function attempt(body: () => boolean): boolean {
  try {
    return body();
  } catch (error) {
    return errnoCode(error) === "ENOENT";
  }
}
