import { readdirSync, statSync, writeFileSync } from "node:fs";
import { errnoCode, messageOf } from "../../../util/errors";
import type { FileChanges } from "./file-changes";
import type { BoardFiles } from "../../directory/files";
import { finish, type Work } from "../kernel-tree";
import { isWholeBlob, type Overlay, type Overlays } from "../fpga/overlays";
import { PATHS } from "../paths";

interface PlainOverlay {
  /** Tells a directory that was removed and made again from the one that was there before. */
  readonly identity: string;
  readonly overlay: Overlay;
  /** Set once a name was written to `path`, whatever came of it. */
  decided: boolean;
}

/**
 * The directory for device-tree overlays as plain files, served by looking at it: `mkdir` makes the attributes appear, a
 * name in `path` applies an overlay, `rmdir` takes it away.
 */
export class PlainOverlays {
  readonly #files: BoardFiles;
  readonly #overlays: Overlays;
  readonly #changes: FileChanges;
  readonly #present = new Map<string, PlainOverlay>();

  /** @param changes is to tell of the overlays' attributes, too */
  constructor(files: BoardFiles, overlays: Overlays, changes: FileChanges) {
    this.#files = files;
    this.#overlays = overlays;
    this.#changes = changes;
  }

  /** Does what has been asked for since the last time. */
  serve(): void {
    const present = new Set(this.#names());
    for (const [name, { identity, overlay }] of [...this.#present].reverse()) {
      if (present.has(name) && this.#identityOf(name) === identity) continue;
      this.#present.delete(name);
      this.#overlays.remove(overlay);
    }
    for (const name of present) {
      try {
        this.#serveOne(name);
      } catch (error) {
        // Removed just now, of which the next look takes notice; or made by somebody else, who lets nobody write there.
        if (errnoCode(error) !== "ENOENT") this.#giveUp(name, error);
      }
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.#files.path(PATHS.overlays));
    } catch {
      return [];
    }
  }

  /** Leaves a directory alone in which nothing can be done. */
  #giveUp(name: string, error: unknown): void {
    const item = this.#present.get(name);
    if (!item) return;
    item.decided = true;
    this.#files.log(`axiscript: the overlay ${name} is not served: ${messageOf(error)}`);
  }

  #serveOne(name: string): void {
    const directory = `${PATHS.overlays}/${name}`;
    const item = this.#present.get(name) ?? this.#discover(name);
    if (!item || item.decided) return;
    const firmwareName = this.#files.read(`${directory}/path`)?.trim() ?? "";
    const blob = Buffer.from(this.#files.read(`${directory}/dtbo`) ?? "", "latin1");
    const whole = isWholeBlob(blob);
    if (firmwareName === "" && !whole) return;
    item.decided = true;
    const { overlay } = item;
    const applied = succeeds(
      whole ? this.#overlays.applyBlob(overlay, blob) : this.#overlays.applyFile(overlay, firmwareName),
    );
    // Some kernels say "applied" here even for an overlay that they refused; `path` is what tells.
    this.#files.replace(`${directory}/status`, "applied\n");
    this.#files.replace(`${directory}/path`, applied && firmwareName !== "" ? `${firmwareName}\n` : "");
  }

  /** A directory that was not there before. One that an earlier board applied comes back to life as it was. */
  #discover(name: string): PlainOverlay | undefined {
    const directory = `${PATHS.overlays}/${name}`;
    const identity = this.#identityOf(name);
    if (identity === undefined) return undefined;
    const item: PlainOverlay = { identity, decided: false, overlay: this.#overlays.create() };
    this.#present.set(name, item);
    // Before its attributes are looked at: what is written later is told.
    this.#changes.add(directory);
    const before = this.#files.read(`${directory}/path`);
    if (before?.endsWith("\n")) {
      item.decided = true;
      succeeds(this.#overlays.resume(item.overlay, before.trim()));
      return item;
    }
    // Appended to: if the directory was removed and made again just now, somebody may have seen these, and written to them.
    for (const attribute of ["dtbo", "status", "path"])
      writeFileSync(this.#files.path(`${directory}/${attribute}`), "", { flag: "a", mode: 0o644 });
    return item;
  }

  /** Some file systems give the inode of a directory that was removed to the next one; its birth differs. */
  #identityOf(name: string): string | undefined {
    const path = this.#files.path(`${PATHS.overlays}/${name}`);
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    return stat && `${stat.ino}:${stat.birthtimeNs}`;
  }
}

/** Plain files cannot say why something was refused; the kernel's log does. */
function succeeds(work: Work): boolean {
  try {
    finish(work);
    return true;
  } catch {
    return false;
  }
}
