import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE } from "./cli";

/** The code blocks of a language in README.md, in order. */
export function readmeBlocks(language: string): string[] {
  const text = readFileSync(join(PACKAGE, "README.md"), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(([, code]) => code ?? "");
}
