import { temporaryFile } from "./temporary";

/** Parts of a model's module, as JavaScript. */
export interface ModelText {
  readonly kind?: string;
  readonly uioName?: string;
  readonly registerBytes?: string;
  readonly handshake?: string;
  readonly cores?: string;
  /** A function that gives a model. */
  readonly create?: string;
  /** Further fields, each with a comma. */
  readonly more?: string;
}

/** A model that keeps what is written to it. */
const PLAIN = `() => {
  const words = new Map();
  return { regRead: (offset) => words.get(offset) ?? 0, regWrite: (offset, value) => void words.set(offset, value) };
}`;

/** A description with these parts, and others that are right. */
export function modelText(parts: ModelText = {}): string {
  const { kind = '"plain"', uioName = '"Plain"', registerBytes = "16", handshake = "[]", more = "" } = parts;
  const { cores = "[{ address: 0xa0100000 }]", create = PLAIN } = parts;
  return `{ kind: ${kind}, uioName: ${uioName}, registerBytes: ${registerBytes}, handshake: ${handshake},
  cores: ${cores}, ${more}
  create: ${create} }`;
}

/** A module with a model, in a directory of its own. */
export function modelFile(parts: ModelText = {}, name = "model.mjs"): string {
  return temporaryFile(name, `export default ${modelText(parts)};\n`);
}
