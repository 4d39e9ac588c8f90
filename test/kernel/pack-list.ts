import { spawnSync } from "node:child_process";
import { join } from "node:path";

const PACKAGE = join(__dirname, "../../..");
/** The variable of the environment with what {@link packList} gives, where somebody has asked already. */
export const PACK_LIST = "AXISCRIPT_TEST_PACK_LIST";

/**
 * What `npm pack` would pack of what was built, as it prints that in JSON. It takes a second to say: who starts others
 * that ask gives them the answer. Nothing is written, which who is killed could leave behind.
 */
export function packList(): string {
  const known = process.env[PACK_LIST];
  if (known !== undefined) return known;
  const args = ["pack", "--silent", "--ignore-scripts", "--dry-run", "--json"];
  const { status, stdout, stderr } = spawnSync("npm", args, { cwd: PACKAGE, encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(`npm ${args.join(" ")}: ${stderr}`);
}
