import type { Permission, PermissionOptions, PermissionProfile, PermissionRequest, RunPermissions } from "./permission";

const isOfTheBoard = ({ name }: Permission) => name !== "read" && name !== "write";

/** A virtual board without further rules: all that it has, and no files. Nothing needs to be loaded for that. */
const WHOLE_BOARD: RunPermissions = {
  require: (permission) => {
    if (isOfTheBoard(permission)) return;
    const { NotAllowedError } = require("./refusal") as typeof import("./refusal");
    throw new NotAllowedError(permission, undefined);
  },
  permits: isOfTheBoard,
  environment: (variables) => variables,
  close: () => {},
};

/**
 * The permissions of a run.
 *
 * @throws AxiscriptError ERR_AXI_USAGE for a directory that does not exist; ERR_AXI_IO if the audit file cannot be
 *   opened and written
 */
export function createPermissions(request: PermissionRequest): RunPermissions {
  const { options = {}, audit, board } = request;
  const plain = !options.allow && !options.deny && !options.profile;
  if (plain && audit === undefined && board === "virtual") return WHOLE_BOARD;
  const { Grants } = require("./grants") as typeof import("./grants");
  return new Grants(request);
}

/**
 * Checks what a caller without types may have given.
 *
 * @throws AxiscriptError ERR_AXI_USAGE with the key that is wrong
 */
export function checkPermissionOptions(options: PermissionOptions | undefined): void {
  if (options === undefined) return;
  const { checkOptions } = require("./check-options") as typeof import("./check-options");
  checkOptions(options);
}

/**
 * Reads rules from a JSON file of the form `{ "allow": { "device": ["AxiProxy:hpc"], "dma": true }, "deny": {} }`.
 * Directories in it are relative to the file.
 *
 * @throws AxiscriptError ERR_AXI_USAGE with file and key
 * @example
 * await runtime.run("script.wasm", { permissions: { profile: loadProfile("board.json") } });
 */
export function loadProfile(path: string): PermissionProfile {
  const { readProfile } = require("./profile") as typeof import("./profile");
  return readProfile(path);
}
