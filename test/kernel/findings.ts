import * as assert from "uvu/assert";
import type { Finding } from "../../host/index";
import type { Guest, JobOptions } from "./guest";

/** What `axiscript doctor --json` finds in a guest, by id. */
export async function findings(
  guest: Guest,
  command: string,
  options?: JobOptions,
): Promise<ReadonlyMap<string, Finding>> {
  const { stdout, stderr } = await guest.run(command, options);
  assert.is(stderr, "");
  return new Map((JSON.parse(stdout) as Finding[]).map((finding) => [finding.id, finding]));
}
