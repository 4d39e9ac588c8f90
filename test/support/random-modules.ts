import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { ABI_TABLE, MEMORY_IMPORT } from "../../host/runtime/abi/abi";
import type { ValueType } from "../../host/runtime/module/wasm-binary";
import type { Random } from "./random";
import { ACTIONS, type Place, scriptAround, TOLD } from "./random-script";
import { temporaryDirectory, temporaryFile } from "./temporary";

/** Comes with the compiler of AssemblyScript. */
const WASM_OPT = createRequire(__filename).resolve("binaryen/bin/wasm-opt");
/** Reference types are not among these: with them come types of the GC proposal, which V8 of Node 20 does not know. */
const FEATURES = [
  ...["sign-ext", "nontrapping-float-to-int", "mutable-globals", "bulk-memory", "bulk-memory-opt"],
  ...["simd", "multivalue"],
];
/** Of calls and rounds of loops together; the last is without end. */
const HANG_LIMITS = [100, 10_000, 2 ** 31 - 1];
const STEPS = 60;

/** A function that can be called by its name. */
interface Callable {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

const HOST_FUNCTIONS = [...ABI_TABLE].flatMap(([module, functions]) =>
  [...functions].map(([name, { signature }]) => ({ module, name, ...signature })),
);
/** The fuzzer calls functions without a preference: what is to be called often has several names. */
const ACTION_FUNCTIONS = Object.entries(ACTIONS).flatMap(([action, { names, parameters, body }]) =>
  Array.from({ length: names }, (_, index) => ({ name: `${action}_${index}`, parameters, results: [], body })),
);
const ACTION_SOURCE = ACTION_FUNCTIONS.map((each) => `(func $${each.name} ${typesOf(each)} ${each.body})`).join("\n");
const TOLD_IMPORT = new RegExp(`^( *\\(import "\\S+" "(?:${TOLD.join("|")})" \\(func \\$)`, "gm");

/** What a script imports, with a memory of 16 pages. */
const IMPORTS = `
  (import "${MEMORY_IMPORT.module}" "${MEMORY_IMPORT.name}" (memory 16 64))
  ${HOST_FUNCTIONS.map((each) => `(import "${each.module}" "${each.name}" (func $${each.name} ${typesOf(each)}))`).join("\n")}`;
/** What random code is to call. */
const FUZZER_INPUT = `(module ${IMPORTS}
  ${ACTION_FUNCTIONS.map((each) => `(import "action" "${each.name}" (func $${each.name} ${typesOf(each)}))`).join("\n")}
  (func (export "_start")))`;

/**
 * A module of random code that calls the host's functions: random bytes, of which binaryen's
 * `wasm-opt --translate-to-fuzz` has made valid WebAssembly.
 */
export class RandomModule {
  readonly #text: string;
  readonly #own: readonly Callable[];

  private constructor(text: string) {
    this.#text = text;
    this.#own = [...text.matchAll(/^ \(func \$(\S+)(.*)$/gm)].map(([, name = "", types = ""]) => ({
      name,
      parameters: [...types.matchAll(/\(param \S+ (\w+)\)/g)].map(([, type]) => type as ValueType),
      results: (/\(result ([^)]*)\)/.exec(types)?.[1]?.split(" ") ?? []) as ValueType[],
    }));
  }

  /** @param lengthBytes of the random bytes */
  static async make(random: Random, lengthBytes: number): Promise<RandomModule> {
    const bytes = Buffer.from(Array.from({ length: lengthBytes }, () => random.below(256)));
    const output = join(temporaryDirectory(), "random.wat");
    const args = [
      ...[WASM_OPT, temporaryFile("bytes", bytes), "--translate-to-fuzz"],
      ...["--initial-fuzz", temporaryFile("imports.wat", FUZZER_INPUT), "--fuzz-preserve-imports-exports"],
      ...["--mvp-features", ...FEATURES.map((name) => `--enable-${name}`), "-S", "-o", output],
    ];
    await promisify(execFile)(process.execPath, args);
    return new RandomModule(readFileSync(output, "utf8"));
  }

  /** A script that calls some of its functions, and some of the host's, with random arguments. */
  async script(random: Random, place: Place): Promise<Uint8Array> {
    const step = () => {
      const kind = random.below(8);
      if (kind < 3) return callOf(random.pick(ACTION_FUNCTIONS), random);
      return callOf(random.pick(kind === 3 ? HOST_FUNCTIONS : this.#own), random);
    };
    const steps = Array.from({ length: STEPS }, step).join("\n");
    const limit = String(random.pick(HANG_LIMITS));
    const text = this.#text
      .replace(/^ \(import "action" .*\n/gm, "")
      .replace(/^ \(export "_start" .*\n/m, "")
      .replace(/(?<=\(global \$hangLimit \(mut i32\) \(i32.const )\d+/, limit)
      .replace(/\)\s*$/, () => `${ACTION_SOURCE} ${scriptAround(place, steps)})`);
    return binaryOf(text);
  }
}

/** A script that does `steps`, of the text format, on a device of its own, and nothing else. */
export function tameScript(place: Place, steps: string): Promise<Uint8Array> {
  return binaryOf(`(module ${IMPORTS} ${ACTION_SOURCE} ${scriptAround(place, steps)})`);
}

async function binaryOf(text: string): Promise<Uint8Array> {
  const { default: binaryen } = await import("binaryen");
  const module = binaryen.parseText(text.replace(TOLD_IMPORT, "$1raw_"));
  try {
    module.setFeatures(binaryen.Features.All);
    return module.emitBinary();
  } finally {
    module.dispose();
  }
}

function typesOf({ parameters, results }: Omit<Callable, "name">): string {
  return [...parameters.map((type) => `(param ${type})`), ...results.map((type) => `(result ${type})`)].join(" ");
}

/** A call whose results are dropped. */
function callOf({ name, parameters, results }: Callable, random: Random): string {
  const call = `(call $${name} ${parameters.map((type) => constantOf(type, random)).join(" ")})`;
  if (results.length === 0) return call;
  return results.length === 1 ? `(drop ${call})` : `(tuple.drop ${results.length} ${call})`;
}

function constantOf(type: ValueType, random: Random): string {
  const small = random.pick([0, 1, 2, 3, 4, 64, 4096, 65536, 0x20000, 0x40000]);
  const number = random.oneIn(2) ? small : random.int32();
  return type === "v128" ? `(v128.const i32x4 ${number} 0 ${small} -1)` : `(${type}.const ${number})`;
}
