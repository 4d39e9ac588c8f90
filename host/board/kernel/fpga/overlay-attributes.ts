import { Attribute, Directory, KernelError, type Work } from "../kernel-tree";
import { isWholeBlob, type Overlay, type Overlays } from "./overlays";

/** How `path` answers for an overlay that is refused: with its errno, or, as some kernels do, as if it were taken. */
export type OverlayErrors = "returned" | "hidden";

/** Source: linux-xlnx `drivers/of/configfs.c`. */
const MAX_BLOB_BYTES = 2 ** 20;

/**
 * The directory of configfs for device-tree overlays: `mkdir` makes one with its attributes, `rmdir` removes it and its
 * devices, the last first.
 */
export function overlaysDirectory(overlays: Overlays, errors: OverlayErrors): Directory {
  const made = new Map<string, Overlay>();
  return new Directory(
    {},
    {
      make: (name) => {
        const overlay = overlays.create();
        made.set(name, overlay);
        return new OverlayAttributes(overlays, overlay, errors).directory;
      },
      remove: (name) => {
        const overlay = made.get(name);
        if (!overlay) return;
        overlays.requireRemovable(overlay);
        overlays.remove(overlay);
        made.delete(name);
      },
    },
  );
}

/** The attributes of one overlay. */
class OverlayAttributes {
  readonly directory: Directory;
  readonly #overlays: Overlays;
  readonly #overlay: Overlay;
  readonly #errors: OverlayErrors;
  #path = "";
  #blob: Buffer = Buffer.alloc(0);
  /** Whether an overlay was refused as if it were taken: then `status` says `applied`, too. */
  #hiddenFailure = false;

  constructor(overlays: Overlays, overlay: Overlay, errors: OverlayErrors) {
    this.#overlays = overlays;
    this.#overlay = overlay;
    this.#errors = errors;
    this.directory = new Directory({
      path: new Attribute({ show: () => `${this.#path}\n`, store: (data) => this.#storePath(data) }),
      status: new Attribute({
        show: () => (overlay.applied || this.#hiddenFailure ? "applied\n" : "unapplied\n"),
      }),
      dtbo: new Attribute({
        show: () => this.#blob,
        store: (data) => this.#storeBlob(data),
        collects: { maxBytes: MAX_BLOB_BYTES, isWhole: isWholeBlob },
        lengthBytes: 0,
      }),
    });
  }

  *#storePath(data: Buffer): Work {
    this.#requireUnset();
    this.#path = (data.toString("latin1").split("\0")[0] ?? "").replace(/\n+$/, "");
    try {
      yield* this.#overlays.applyFile(this.#overlay, this.#path);
    } catch (error) {
      this.#path = "";
      if (this.#errors === "returned" || !(error instanceof KernelError)) throw error;
      this.#hiddenFailure = true;
    }
  }

  /** Nobody is told of an error: the file is closed by then. */
  *#storeBlob(data: Buffer): Work {
    try {
      this.#requireUnset();
      this.#blob = data;
      yield* this.#overlays.applyBlob(this.#overlay, data);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      if (!this.#overlay.applied && !this.#overlay.underWay && this.#path === "") this.#blob = Buffer.alloc(0);
    }
  }

  #requireUnset(): void {
    if (this.#path !== "" || this.#blob.length > 0) throw new KernelError("EPERM");
  }
}
