import { ABI_TABLE } from "../host/runtime/abi/abi";
import { formatSignature } from "../host/runtime/module/wasm-binary";

const INTRODUCTION = `# The ABI

What a WebAssembly module may import, and what it must export, to run as an axiscript script. Generated from the host's
table by \`npm run docs\`; the host checks every import against the same table before a script runs.

- Export \`_start\`, and import the linear memory as \`env.memory\` (unshared, 32-bit).
- Pointers are offsets in linear memory. Texts are UTF-8 with a length in bytes.
- A result below 0 is a Linux errno, negated. \`axiscript:error@1.raise\` then ends the script with the host's message.
- Of WASI, arguments, environment, clocks, random numbers, the three standard streams and waiting for one clock work, and,
  in directories that were granted, files: opening, reading, writing, listing, describing, renaming and removing them.
  Everything else links and answers ENOSYS or EBADF. Not granted is ENOTCAPABLE, denied is EPERM, what leads out of a
  granted directory is EXDEV, and what is no regular file or directory is ENOTSUP.
- What needs a permission that the run lacks answers -13 (EACCES). See [permissions](permissions.md).
- Module names carry a version. Stores to and loads from registers go through \`axiscript:uio@1\` only.
`;

/** The documentation of the ABI, in Markdown. */
export function abiReference(): string {
  const modules = [...ABI_TABLE].map(([module, functions]) => {
    const rows = [...functions].map(
      ([name, { signature, parameters, summary }]) =>
        `| \`${name}\` | \`${formatSignature(signature)}\` | ${parameters.map((parameter) => `\`${parameter}\``).join(", ")} | ${summary} |`,
    );
    return `## ${module}\n\n| function | signature | parameters | |\n|---|---|---|---|\n${rows.join("\n")}\n`;
  });
  return [INTRODUCTION, ...modules].join("\n");
}
