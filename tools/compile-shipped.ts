import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { DeviceDescription } from "../host/description/description";
import { readDescription } from "../host/description/description-file";

/** Where the descriptions that ship with the package are written: JSON, one file a kind. */
const SHIPPED_DIRECTORY = join(__dirname, "../../devices");

/**
 * JavaScript that makes descriptions: what was read from JSON, as literals. Files are named relative to the package.
 *
 * @returns the text of a CommonJS module with `SHIPPED`
 */
export function compileDescriptions(descriptions: readonly DeviceDescription[]): string {
  const entries = descriptions.map((description) => {
    const { kind, match, registers, file, ...rest } = description;
    const literal = new Literals(registers);
    const list = registers.map((register) => literal.of(register, true)).join(",\n");
    const named = { kind, match, ...rest };
    return `{ kind: ${JSON.stringify(kind)}, uioNames: ${JSON.stringify(match.uioNames)}, load: () => {
const r = [
${list}
];
return { ...${literal.of(named)}, registers: r, file: path.join(__dirname, "../../../devices", ${JSON.stringify(basename(file))}) };
} }`;
  });
  return `"use strict";\nconst path = require("node:path");\nexports.SHIPPED = [\n${entries.join(",\n")}\n];\n`;
}

/** Values as JavaScript writes them. Registers are the same objects wherever they are referred to. */
class Literals {
  readonly #registers: readonly unknown[];

  constructor(registers: readonly unknown[]) {
    this.#registers = registers;
  }

  of(value: unknown, itself = false): string {
    if (value === undefined) return "undefined";
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value !== "object" || value === null) return JSON.stringify(value);
    const index = itself ? -1 : this.#registers.indexOf(value);
    if (index >= 0) return `r[${index}]`;
    if (value instanceof Map) return `new Map(${this.of([...(value as Map<unknown, unknown>)])})`;
    if (Array.isArray(value)) return `[${(value as unknown[]).map((item) => this.of(item)).join(", ")}]`;
    return `{ ${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}: ${this.of(item)}`)
      .join(", ")} }`;
  }
}

/** Reads the descriptions that ship with the package, from the files that people write. */
export function readShipped(): DeviceDescription[] {
  const names = readdirSync(SHIPPED_DIRECTORY).filter((name) => name.endsWith(".json") && !name.includes(".schema."));
  return names.sort().map((name) => readDescription(join(SHIPPED_DIRECTORY, name)));
}
