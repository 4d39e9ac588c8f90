import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** A file that the compiler asked for; `text` is `null` if it does not exist. */
export interface SourceFile {
  readonly path: string;
  readonly text: string | null;
}

interface Manifest {
  /** Path → digest of its content, or `null` if it did not exist. */
  readonly sources: Record<string, string | null>;
  readonly wasm: string;
  readonly sourceMap: string;
}

export interface CacheEntry {
  readonly wasm: Uint8Array;
  readonly sourceMap: () => string;
  readonly sources: readonly SourceFile[];
}

/** Entries that were not written for so long are removed. */
const KEEP_MS = 30 * 24 * 3600 * 1000;

/**
 * Compiled scripts by content: an entry holds as long as every file that the compiler asked for is as it was then.
 * A cache that cannot be read or written is no cache, and never an error.
 */
export class CompileCache {
  readonly #directory: string | undefined;
  readonly #manifest: string;

  /**
   * @param directory where entries are; `false`: keep none
   * @param key what, besides the sources, makes a difference
   */
  constructor(directory: string | false | undefined, key: readonly string[]) {
    this.#directory = directory === false ? undefined : (directory ?? defaultDirectory());
    this.#manifest = `${digest(JSON.stringify(key))}.json`;
  }

  load(): CacheEntry | undefined {
    if (this.#directory === undefined) return undefined;
    try {
      const manifest = JSON.parse(this.#read(this.#manifest).toString("utf8")) as Manifest;
      const unchanged = Object.entries(manifest.sources).every(([path, known]) => digestOfFile(path) === known);
      if (!unchanged) return undefined;
      const wasm = this.#read(manifest.wasm);
      if (digest(wasm) !== manifest.wasm.split(".")[0] || !existsSync(this.#path(manifest.sourceMap))) return undefined;
      return { wasm, sourceMap: () => this.#read(manifest.sourceMap).toString("utf8"), sources: [] };
    } catch {
      return undefined;
    }
  }

  store({ wasm, sourceMap, sources }: CacheEntry): void {
    if (this.#directory === undefined) return;
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      this.#prune(this.#directory);
      const name = digest(wasm);
      const manifest: Manifest = {
        sources: Object.fromEntries(sources.map(({ path, text }) => [path, text === null ? null : digest(text)])),
        wasm: `${name}.wasm`,
        sourceMap: `${digest(sourceMap())}.map`,
      };
      this.#write(manifest.sourceMap, sourceMap());
      this.#write(manifest.wasm, wasm);
      this.#write(this.#manifest, JSON.stringify(manifest));
    } catch {
      // A full disk or a home without rights costs time, not correctness.
    }
  }

  #read(name: string): Buffer {
    return readFileSync(this.#path(name));
  }

  #path(name: string): string {
    return join(this.#directory ?? "", name);
  }

  /** Two processes may write the same entry at once; each file appears whole. */
  #write(name: string, content: string | Uint8Array): void {
    const path = this.#path(name);
    const draft = `${path}.${process.pid}`;
    try {
      writeFileSync(draft, content);
      renameSync(draft, path);
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    }
  }

  #prune(directory: string): void {
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      if (Date.now() - statSync(path).mtimeMs > KEEP_MS) rmSync(path, { force: true });
    }
  }
}

function defaultDirectory(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "axiscript");
}

function digest(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function digestOfFile(path: string): string | null {
  try {
    return digest(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}
