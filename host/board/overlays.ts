import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { errnoCode, messageOf } from "../errors";
import { readDeviceTree } from "./device-tree";
import type { BoardFiles } from "./files";
import type { BoardFpgaManager } from "./fpga-manager";
import { type OverlayRequest, readOverlay } from "./overlay-devices";
import { PATHS } from "./paths";
import type { UioClass, UioNode } from "./uio-class";

/** Where a flattened device tree says how long it is. */
const TOTAL_SIZE_OFFSET = 4;

interface Overlay {
  /** Tells a directory that was removed and made again from the one that was there before. */
  readonly identity: string;
  /** Set once a name was written to `path`, whatever came of it. */
  decided: boolean;
  nodes: UioNode[];
}

/**
 * The kernel's configfs directory for device-tree overlays, served by looking at it: `mkdir` makes the attributes
 * appear, a name in `path` applies an overlay, `rmdir` takes it away.
 * Source: linux-xlnx `drivers/of/configfs.c`.
 */
export class Overlays {
  readonly #files: BoardFiles;
  readonly #manager: BoardFpgaManager;
  readonly #uio: UioClass;
  readonly #onChange: (nodes: UioNode[]) => void;
  readonly #overlays = new Map<string, Overlay>();

  /** @param onChange called with all devices whenever there are others */
  constructor(files: BoardFiles, manager: BoardFpgaManager, uio: UioClass, onChange: (nodes: UioNode[]) => void) {
    this.#files = files;
    this.#manager = manager;
    this.#uio = uio;
    this.#onChange = onChange;
  }

  /** Does what has been asked for since the last time. */
  serve(): void {
    const present = new Set(readdirSync(this.#files.path(PATHS.overlays)));
    for (const [name, overlay] of [...this.#overlays].reverse()) {
      if (!present.has(name) || this.#identityOf(name) !== overlay.identity) this.#remove(name, overlay);
    }
    for (const name of present) this.#serveUnlessRemoved(name);
  }

  /** A directory may be removed at any moment, also while its attributes are written: the next look sees that. */
  #serveUnlessRemoved(name: string): void {
    try {
      this.#serveOne(name);
    } catch (error) {
      if (errnoCode(error) !== "ENOENT") throw error;
    }
  }

  #serveOne(name: string): void {
    const directory = `${PATHS.overlays}/${name}`;
    const overlay = this.#overlays.get(name) ?? this.#discover(name);
    if (!overlay || overlay.decided) return;
    const firmwareName = this.#files.read(`${directory}/path`)?.trim() ?? "";
    const blob = this.#wholeBlob(`${directory}/dtbo`);
    if (firmwareName === "" && !blob) return;
    overlay.decided = true;
    const applied = this.#apply(overlay, blob ?? firmwareName, (bitstream) => this.#manager.load(bitstream));
    // Some kernels say "applied" here even for an overlay that they refused; `path` is what tells.
    this.#files.replace(`${directory}/status`, "applied\n");
    this.#files.replace(`${directory}/path`, applied && firmwareName !== "" ? `${firmwareName}\n` : "");
  }

  /** A directory that was not there before. One that an earlier board applied comes back to life as it was. */
  #discover(name: string): Overlay | undefined {
    const directory = `${PATHS.overlays}/${name}`;
    const identity = this.#identityOf(name);
    if (identity === undefined) return undefined;
    const overlay: Overlay = { identity, decided: false, nodes: [] };
    this.#overlays.set(name, overlay);
    const before = this.#files.read(`${directory}/path`);
    if (before?.endsWith("\n")) {
      overlay.decided = true;
      this.#apply(overlay, before.trim(), (bitstream) => this.#manager.resume(bitstream));
      return overlay;
    }
    // Appended to: if the directory was removed and made again just now, somebody may have seen these, and written to them.
    for (const attribute of ["dtbo", "status", "path"])
      writeFileSync(this.#files.path(`${directory}/${attribute}`), "", { flag: "a" });
    return overlay;
  }

  /** A device tree that was written into `dtbo`, once all of it is there. */
  #wholeBlob(relative: string): Buffer | undefined {
    const blob = Buffer.from(this.#files.read(relative) ?? "", "latin1");
    return blob.length >= 8 && blob.length >= blob.readUInt32BE(TOTAL_SIZE_OFFSET) ? blob : undefined;
  }

  /** @param source the overlay itself, or its name in the firmware directory */
  #apply(overlay: Overlay, source: Buffer | string, load: (bitstream: string) => boolean): boolean {
    try {
      const request = this.#read(source);
      if (request.firmwareName !== undefined && !load(request.firmwareName)) return false;
      for (const device of request.devices) overlay.nodes.push(this.#uio.publish(device));
      this.#announce();
      return true;
    } catch (error) {
      this.#files.log(
        `create_overlay: Failed to apply ${typeof source === "string" ? source : "dtbo"}: ${messageOf(error)}`,
      );
      for (const node of overlay.nodes.splice(0)) this.#uio.remove(node);
      return false;
    }
  }

  #read(source: Buffer | string): OverlayRequest {
    const blob = typeof source === "string" ? readFileSync(this.#files.path(`${PATHS.firmware}/${source}`)) : source;
    return readOverlay(readDeviceTree(blob));
  }

  #remove(name: string, overlay: Overlay): void {
    this.#overlays.delete(name);
    for (const node of overlay.nodes.reverse()) this.#uio.remove(node);
    this.#announce();
  }

  #announce(): void {
    this.#onChange([...this.#overlays.values()].flatMap(({ nodes }) => nodes));
  }

  /** Some file systems give the inode of a directory that was removed to the next one; its birth differs. */
  #identityOf(name: string): string | undefined {
    const path = this.#files.path(`${PATHS.overlays}/${name}`);
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    return stat && `${stat.ino}:${stat.birthtimeNs}`;
  }
}
