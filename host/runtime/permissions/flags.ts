import type { Permission } from "./permission";

const NEEDS_NO_QUOTES = /^[\w@%+=:,./-]+$/;

/**
 * A flag as it is typed into a shell: `--allow-device=AxiProxy:hpc`. A comma within a value is written twice.
 *
 * @param values absent or empty: the flag alone
 */
export function formatFlag(kind: "allow" | "deny", name: Permission["name"], values: readonly string[] = []): string {
  const flag = `--${kind}-${name}`;
  if (values.length === 0) return flag;
  const list = values.map((value) => value.replaceAll(",", ",,")).join(",");
  return NEEDS_NO_QUOTES.test(list) ? `${flag}=${list}` : `${flag}='${list.replaceAll("'", "'\\''")}'`;
}
