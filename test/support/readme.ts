import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE } from "./cli";

/** The code blocks of a language in README.md, or another page of the package, in order. */
export function readmeBlocks(language: string, page = "README.md"): string[] {
  const text = readFileSync(join(PACKAGE, page), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(([, code]) => code ?? "");
}

/** The only code block of a language in README.md. */
export function readmeBlock(language: string): string {
  const [block, ...others] = readmeBlocks(language);
  if (block === undefined || others.length > 0)
    throw new Error(`README.md has ${others.length + 1} blocks of ${language}`);
  return block;
}
